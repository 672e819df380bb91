"""Overhead side by side: `echo` through the platform, and through two plain Ray Serve deployments.

    python -m bench.overhead [--repeats 3]

Each repetition starts one after the other, each alone on the machine, and loads it with the same requests. Only the
ratios within one run mean anything: the load generator shares the cores.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import httpx
import psutil
import typer
import yaml

from bench.load import closed_loop

ROOT = Path(__file__).parents[1]
BODY = b'{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}]}'
START_TIMEOUT_S = 120.0
SYSTEMS = ("headrace", "headrace-in-router", "plain-serve")


def main(
    repeats: Annotated[int, typer.Option(help="Interleaved repetitions.")] = 3,
    duration_s: Annotated[float, typer.Option(help="Measured seconds of each load.")] = 8.0,
    port: Annotated[int, typer.Option(help="Port of the platform; the plain graph is on 8000.")] = 8000,
    out: Annotated[Path, typer.Option(help="Where the figures go, as JSON.")] = Path("bench/results/overhead.json"),
) -> None:
    """Measure the overhead of `echo` at 64 connections and at one."""
    runs: dict[str, list[dict[str, float]]] = {system: [] for system in SYSTEMS}
    for repeat in range(repeats):
        for system in SYSTEMS:
            print(f"repetition {repeat + 1} of {repeats}: {system} ...", flush=True)
            with _started(system, port) as url:
                figures = _measure(url, duration_s)
            runs[system].append(figures)
            print(f"  {figures['requests_per_s']:.0f} requests/s, one connection p50 {figures['p50_ms']:.2f} ms")
    _report(runs)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(runs, indent=2))
    print(f"figures: {out}")


def _measure(url: str, duration_s: float) -> dict[str, float]:
    many = closed_loop(url, BODY, 64, warm_up_s=3.0, duration_s=duration_s)
    one = closed_loop(url, BODY, 1, warm_up_s=1.0, duration_s=duration_s / 2)
    return {
        "requests_per_s": many.requests_per_s,
        "p99_ms": many.percentile_s(99) * 1e3,
        "errors": many.num_errors + one.num_errors + many.num_lost + one.num_lost,
        "p50_ms": one.percentile_s(50) * 1e3,
        "generator_cpu_ratio": many.cpu_s / many.duration_s,
    }


def _report(runs: dict[str, list[dict[str, float]]]) -> None:
    median = {
        system: {key: statistics.median(run[key] for run in figures) for key in figures[0]}
        for system, figures in runs.items()
    }
    base = median["plain-serve"]
    heads = ("requests/s", "ratio", "p99 ms", "p50 ms (1)", "errors", "gen. CPU")
    print("\n" + f"{'system':20}" + "".join(f"{head:>12}" for head in heads))
    for system, row in median.items():
        ratio = row["requests_per_s"] / base["requests_per_s"]
        cells = (
            f"{row['requests_per_s']:.0f}",
            f"{ratio:.1f}",
            f"{row['p99_ms']:.1f}",
            f"{row['p50_ms']:.2f}",
            f"{row['errors']:.0f}",
            f"{row['generator_cpu_ratio']:.0%}",
        )
        print(f"{system:20}" + "".join(f"{cell:>12}" for cell in cells))


@contextmanager
def _started(system: str, port: int) -> Iterator[str]:
    """Run one system alone; gives the URL of its inference endpoint."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    environment.update(RAY_USAGE_STATS_ENABLED="0")
    binaries = Path(sys.executable).parent
    if system == "plain-serve":
        command = [str(binaries / "serve"), "run", "bench.plain_graph:app"]
        url, ready = "http://127.0.0.1:8000/", ""
    else:
        config = _write_config(port, "router" if system == "headrace-in-router" else "own")
        command = [str(binaries / "headrace"), "serve", str(config)]
        url, ready = f"http://127.0.0.1:{port}/v2/models/echo/infer", f"http://127.0.0.1:{port}/ready"
    log = (ROOT / "bench" / "results" / f"{system}.log").open("wb")
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        _wait(url, ready, process)
        yield url
    finally:
        _stop(process)
        log.close()


def _write_config(port: int, placement: str) -> Path:
    model = {"name": "echo", "placement": placement, "pools": [{"num_cpus": 0.25}]}
    application = {
        "name": "headrace",
        "route_prefix": "/",
        "import_path": "serve_app.app:build_app",
        "args": {"models": [model]},
    }
    path = ROOT / "bench" / "results" / f"echo-{placement}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"host": "127.0.0.1", "port": port}
    path.write_text(yaml.safe_dump({"http_options": options, "applications": [application]}))
    return path


def _wait(url: str, ready: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args} ended with status {process.returncode}")
        try:
            answer = httpx.get(ready) if ready else httpx.post(url, content=BODY)
            if answer.status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    raise TimeoutError(f"{process.args} is not ready after {START_TIMEOUT_S} s")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop a system and everything that it started."""
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    try:
        process.wait(40)
    except subprocess.TimeoutExpired:
        process.kill()
    for child in family:
        if child.is_running():
            child.kill()
    psutil.wait_procs(family, timeout=10)


if __name__ == "__main__":
    typer.run(main)
