"""What a run's figures depend on: the machine, the versions, the commit."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from bench.systems.system import ROOT

PACKAGES = ("ray", "torch", "numpy", "uvicorn", "uvloop")
_CPU_INFO = Path("/proc/cpuinfo")


def stamp(command: str) -> dict[str, str]:
    """Describe this machine and checkout.

    Args:
        command: As the run was started.
    """
    described = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": command,
        "commit": _commit(),
        "machine": f"{psutil.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB, {_processor()}",
        "load before the run": f"{os.getloadavg()[0]:.2f} (1 minute)",
        "system": platform.platform(),
        "python": platform.python_version(),
    }
    return described | {package: _version(package) for package in PACKAGES}


def _commit() -> str:
    try:
        head = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip()


def _processor() -> str:
    lines = _CPU_INFO.read_text().splitlines() if _CPU_INFO.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
