"""The interface of everything that is measured, and the values that describe a running one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from bench.call import HttpCall
from models.tensor import Array

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "bench" / "results"


@dataclass(frozen=True, slots=True)
class Launch:
    """How a system is started for one model.

    Attributes:
        command: The program and its arguments.
        environment: Added to a clean environment (no RAY_* of the caller).
        ready: The call that is answered 200 once the system serves the model. None: the first inference call is.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    ready_path: str | None = None


class System(Protocol):
    """One way to serve a model, configured as its documentation recommends for throughput.

    Attributes:
        name: As in reports and on the command line.
        about: One sentence: what it is, and how it is configured here.
    """

    name: str
    about: str

    def missing(self) -> str | None:
        """Why it cannot run here, in words; None: it can."""
        ...

    def supports(self, workload: str) -> bool:
        """Whether it can serve the workload at all."""
        ...

    def launch(self, workload: str, port: int) -> Launch:
        """How to start it on loopback."""
        ...

    def call(self, workload: str, inputs: Mapping[str, Array]) -> HttpCall:
        """One request of the workload in the form that this system reads fastest."""
        ...


@dataclass(frozen=True, slots=True)
class HandleClient:
    """How a system is called from inside Python.

    Attributes:
        make_call: Where its `bench.load.handle.MakeCall` is, as `module:function`.
        environment: Of the process that calls, added to a clean environment.
    """

    make_call: str
    environment: Mapping[str, str]


@runtime_checkable
class CalledByHandle(Protocol):
    """A system on Ray Serve that can be called without HTTP, too."""

    def handle_client(self) -> HandleClient:
        """How it is called with any workload that it serves."""
        ...
