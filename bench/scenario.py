"""What is measured: scenarios, and the suites that put them together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from bench.workload import WORKLOADS

_BURSTY_TRACE = Path(__file__).with_name("data") / "autothrottle_bursty.txt"


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """A number of connections, each with one request in flight.

    Attributes:
        num_connections: Keep-alive connections; by handle: callers.
    """

    num_connections: int


@dataclass(frozen=True, slots=True)
class Trace:
    """The course of a recorded load, at a rate of the scenario's own.

    Attributes:
        path: One of the kinds that `bench.load.trace_file` reads.
        speed: Recorded seconds that pass in a second. None: the whole trace passes in the counted part.
    """

    path: Path
    speed: float | None = None

    @property
    def about(self) -> str:
        """What it is, for the report."""
        return f"{self.path.name}, {'whole' if self.speed is None else f'{self.speed:g} times as fast'}"


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """Requests at planned instants, whatever becomes of those before.

    The rate is a share of what Headrace reached in a closed loop of the same run, so that it means the same on every
    machine; all systems are offered the same.

    Attributes:
        factor: Of that throughput.
        of_scenario: Name of the closed loop.
        arrivals: Independent of each other, in bursts of three times the rate for a second in every five, or as in a
            trace.
    """

    factor: float
    of_scenario: str
    arrivals: Literal["poisson", "bursts"] | Trace = "poisson"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One load on one workload.

    Attributes:
        name: Unique.
        title: One line for a person.
        workload: Name of the workload.
        load: How it is sent.
        sends_deadline: Give the workload's SLO along as the request's deadline, which Headrace honours.
        by_handle: Ask by Serve handle from inside a Python process, without HTTP or deadline; only systems that can be.
    """

    name: str
    title: str
    workload: str
    load: ClosedLoop | OpenLoop
    sends_deadline: bool = False
    by_handle: bool = False

    @property
    def slo_s(self) -> float:
        """Latency that a good answer keeps, seconds."""
        return WORKLOADS[self.workload].slo_s


@dataclass(frozen=True, slots=True)
class Suite:
    """Scenarios that are measured together.

    Attributes:
        about: One line for `--help` and `list`.
        scenarios: In the order in which each running system meets them; a rate that depends on another comes after it.
        systems: Names of those that are measured; each only on the workloads that it serves.
    """

    about: str
    scenarios: tuple[Scenario, ...]
    systems: tuple[str, ...]

    def workloads(self) -> Sequence[str]:
        """In the order of the scenarios."""
        return list(dict.fromkeys(scenario.workload for scenario in self.scenarios))

    def replaying(self, trace: Trace) -> Suite:
        """The same at the same rates, with a trace in place of each open loop's own arrivals."""
        return replace(self, scenarios=tuple(_replaying(scenario, trace) for scenario in self.scenarios))


def _replaying(scenario: Scenario, trace: Trace) -> Scenario:
    if not isinstance(scenario.load, OpenLoop):
        return scenario
    title = f"{scenario.title}; instead of these arrivals: {trace.about}"
    return replace(scenario, title=title, load=replace(scenario.load, arrivals=trace))


PEERS = ("serve-default", "serve-tuned", "litserve", "mlserver", "bentoml", "mosec", "fastapi")
PACKED_PEERS = tuple(f"{name}-packed" for name in ("litserve", "mlserver", "bentoml", "mosec", "fastapi"))

_ECHO_64 = Scenario("echo-c64", "echo, JSON, 64 connections", "echo", ClosedLoop(64))
_ECHO_1 = Scenario("echo-c1", "echo, JSON, 1 connection", "echo", ClosedLoop(1))
_MINILM_SATURATED = Scenario("minilm-c128", "MiniLM, mixed lengths, 128 connections", "minilm", ClosedLoop(128))
_MINILM_70 = Scenario(
    "minilm-70",
    "MiniLM, Poisson arrivals at 70 % of Headrace's saturation",
    "minilm",
    OpenLoop(0.7, "minilm-c128"),
)
_JPEG = Scenario("jpeg-c96", "EfficientNet from JPEG, 96 connections", "jpeg", ClosedLoop(96))
_TENSOR = Scenario("tensor-c8", "602 kB tensors in and out, 8 connections", "tensor", ClosedLoop(8))
_HANDLE_64 = Scenario(
    "handle-c64", "echo by handle from one Python process, 64 callers", "echo", ClosedLoop(64), by_handle=True
)
_HANDLE_1 = Scenario(
    "handle-c1", "echo by handle from one Python process, 1 caller", "echo", ClosedLoop(1), by_handle=True
)


def _echo_at(factor: float) -> Scenario:
    title = f"echo, JSON, Poisson arrivals at {factor:g} times what one router reaches"
    return Scenario(f"echo-x{factor:g}", title, "echo", OpenLoop(factor, "echo-c64"))


def _sweep(factor: float) -> Scenario:
    return Scenario(
        f"minilm-x{factor:g}",
        f"MiniLM, Poisson arrivals at {factor:g} times Headrace's saturation, deadline 0.5 s",
        "minilm",
        OpenLoop(factor, "minilm-c128"),
        sends_deadline=True,
    )


_BURST = Scenario(
    "minilm-burst",
    "MiniLM, bursts of three times the rate for a second in every five",
    "minilm",
    OpenLoop(0.5, "minilm-c128", "bursts"),
    sends_deadline=True,
)

# The trace's peak is 2.4 times its average: over saturation for a sixth of the time.
_TRACE = Scenario(
    "minilm-trace",
    "MiniLM, a recorded load at 70 % of Headrace's saturation on average, 170 % at its peak, deadline 0.5 s",
    "minilm",
    OpenLoop(0.7, "minilm-c128", Trace(_BURSTY_TRACE)),
    sends_deadline=True,
)

SUITES: dict[str, Suite] = {
    "short": Suite(
        "overhead and saturation, one repetition, under 10 minutes",
        (_ECHO_64, _ECHO_1, _MINILM_SATURATED),
        ("headrace", "headrace-in-router", "serve-default", "serve-tuned", "litserve", "fastapi"),
    ),
    "overhead": Suite(
        "echo: throughput and latency of everything around a model",
        (_ECHO_64, _ECHO_1),
        ("headrace", "headrace-in-router", *PEERS, "mlserver-inprocess", "fastapi-orjson"),
    ),
    "minilm": Suite(
        "MiniLM: saturation, and the tail at 70 % of it",
        (_MINILM_SATURATED, _MINILM_70),
        ("headrace", *PEERS, "raw-loop"),
    ),
    "packed": Suite(
        "MiniLM with Headrace's packed module in the peers too",
        (_MINILM_SATURATED,),
        ("headrace", "headrace-bf16", *PACKED_PEERS, "raw-loop"),
    ),
    "jpeg": Suite("EfficientNet from JPEG", (_JPEG,), ("headrace", *PEERS, "raw-loop")),
    "tensor": Suite("602 kB tensors", (_TENSOR,), ("headrace", *PEERS)),
    "overload": Suite(
        "MiniLM from half to twice of what Headrace can serve, and a burst",
        (_MINILM_SATURATED, *(_sweep(factor) for factor in (0.5, 0.8, 1.0, 1.5, 2.0)), _BURST),
        ("headrace", "serve-tuned", "litserve", "mosec"),
    ),
    "trace": Suite(
        "MiniLM under a recorded load that is too much at its peak",
        (_MINILM_SATURATED, _TRACE),
        ("headrace", "serve-tuned", "litserve", "mosec"),
    ),
    "handle": Suite(
        "echo by Serve handle from inside a Python process, without HTTP",
        (_HANDLE_64, _HANDLE_1),
        ("headrace", "headrace-in-router", "serve-default", "serve-tuned"),
    ),
    # Read along the diagonal: each router has the same load at 0.1 with one, 0.2 with two and 0.4 with four.
    "routers": Suite(
        "echo: CPU per request from 1 to 4 router replicas",
        (_ECHO_64, *(_echo_at(factor) for factor in (0.1, 0.2, 0.4))),
        ("headrace", "headrace-2-routers", "headrace-4-routers"),
    ),
    "models": Suite(
        "echo: CPU per request from 1 to 8 models loaded",
        (_ECHO_64,),
        ("headrace", "headrace-2-models", "headrace-4-models", "headrace-8-models"),
    ),
    "mix": Suite(
        "all workloads in one platform",
        (Scenario("mix-c32", "a mix of all workloads, 32 connections", "mix", ClosedLoop(32)),),
        ("headrace",),
    ),
}
