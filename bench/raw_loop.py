"""The limit as a system of a run: the model in a loop, in a process of its own, without any server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from bench.call import HttpCall
from bench.load.result import LoadResult
from bench.peers.model import MODELS, NUM_THREADS
from bench.results import Measurement
from bench.systems.running import SystemFailed
from bench.systems.system import ROOT, Launch
from models.tensor import Array

RAW_LOOP = "raw-loop"

_LIMIT_S = 600.0


@dataclass(frozen=True, slots=True)
class RawLoop:
    """The model in a loop over the best batches, from what a client sends to what it gets back.

    Attributes:
        name: As in reports and on the command line.
        about: What it is, and how it is configured here.
        num_threads: Torch's threads.
    """

    name: str = RAW_LOOP
    about: str = "the limit: Headrace's model code in a loop over the best length-sorted batches, no server"
    num_threads: int = 2

    def missing(self) -> str | None:
        """See `System`."""
        return None

    def supports(self, workload: str) -> bool:
        """See `System`."""
        return workload in MODELS

    def launch(self, workload: str, port: int) -> Launch:
        """See `System`; it listens nowhere, and ends by itself."""
        from serve_app.app import ALLOCATOR_ENVIRONMENT  # imports Ray, which other commands need not wait for

        command = [sys.executable, "-m", "bench.peers.raw_loop", workload]
        return Launch(command, {**ALLOCATOR_ENVIRONMENT, NUM_THREADS: str(self.num_threads)})

    def call(self, workload: str, inputs: Mapping[str, Array]) -> HttpCall:
        """See `System`."""
        raise NotImplementedError("the raw loop takes no requests")

    def measure(self, workload: str, scenario: str, repetition: int, duration_s: float) -> Measurement:
        """Run the loop, and put its rate in the place of a throughput.

        Args:
            duration_s: Length of the counted part that the rate is given for, seconds.

        Raises:
            SystemFailed: It did not end well; says how it ended.
        """
        launch = self.launch(workload, 0)
        try:
            done = subprocess.run(
                launch.command, cwd=ROOT, env=_environment(launch), capture_output=True, text=True, timeout=_LIMIT_S
            )
        except subprocess.TimeoutExpired as error:
            raise SystemFailed(self.name, f"did not end in {_LIMIT_S:g} s") from error
        if done.returncode:
            raise SystemFailed(self.name, f"ended with code {done.returncode}:\n{done.stderr[-2000:]}")
        whole = json.loads(done.stdout)["whole"]
        num_rows = round(whole["rows_per_s"] * duration_s)
        load = LoadResult("a loop", duration_s, num_rows, num_rows, num_rows, {}, (), None, 0.0, 0.0)
        return Measurement(self.name, scenario, repetition, load, None, None, None, f"best way: {whole['how']}")


def _environment(launch: Launch) -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "HOME": os.environ.get("HOME", ""), **launch.environment}
