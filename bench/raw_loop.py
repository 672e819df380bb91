"""The limit as a system of a run: the model in a loop, in a process of its own, without any server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.call import HttpCall
from bench.load.result import LoadResult
from bench.peers.model import MODELS, NUM_THREADS
from bench.results import Measurement
from bench.systems.running import SystemFailed
from bench.systems.system import ROOT, Launch
from models.tensor import Array
from serve_app.reservation import ALLOCATOR_ENVIRONMENT

RAW_LOOP = "raw-loop"

_LIMIT_S = 600.0


@dataclass(slots=True)
class RawLoop:
    """The model in a loop over the best batches, from what a client sends to what it gets back.

    Attributes:
        name: As in reports and on the command line.
        about: What it is, and how it is configured here.
        num_cores: Cores that it uses: by torch's threads in one process, or by as many processes of one thread.
        seconds: For each way that is tried, seconds.
    """

    name: str = RAW_LOOP
    about: str = "the limit: the model in a loop over length-sorted batches, no server; the best of all ways tried"
    num_cores: int = 2
    seconds: float = 2.0

    def missing(self) -> str | None:
        """See `System`."""
        return None

    def supports(self, workload: str) -> bool:
        """See `System`."""
        return workload in MODELS

    def launch(self, workload: str, port: int) -> Launch:
        """See `System`; one process, which listens nowhere and ends by itself."""
        command = [sys.executable, "-m", "bench.peers.raw_loop", workload, "--seconds", f"{self.seconds:g}"]
        return Launch(command, {**ALLOCATOR_ENVIRONMENT, NUM_THREADS: str(self.num_cores)})

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
        forms = [self._rates(workload, 1, self.num_cores), self._rates(workload, self.num_cores, 1)]
        rows_per_s, how = max(forms)
        num_rows = round(rows_per_s * duration_s)
        load = LoadResult("a loop", duration_s, num_rows, num_rows, num_rows, {}, (), None, 0.0, 0.0)
        return Measurement(self.name, scenario, repetition, load, None, None, None, f"best way: {how}")

    def _rates(self, workload: str, num_processes: int, num_threads: int) -> tuple[float, str]:
        """Rows per second of processes side by side, and how the first of them ran."""
        launch = self.launch(workload, 0)
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        environment = {**kept, **launch.environment, NUM_THREADS: str(num_threads)}
        processes = [
            subprocess.Popen(
                launch.command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            for _ in range(num_processes)
        ]
        try:
            reports = [self._report(process) for process in processes]
        finally:
            for process in processes:
                process.kill()
        how = f"{num_processes} x {num_threads} threads, {reports[0]['how']}"
        return sum(report["rows_per_s"] for report in reports), how

    def _report(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        try:
            output, errors = process.communicate(timeout=_LIMIT_S)
        except subprocess.TimeoutExpired as error:
            raise SystemFailed(self.name, f"did not end in {_LIMIT_S:g} s") from error
        if process.returncode:
            raise SystemFailed(self.name, f"ended with code {process.returncode}:\n{errors[-2000:]}")
        whole: dict[str, Any] = json.loads(output)["whole"]
        return whole
