"""Where the project lies, and what is in it."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("serve_app", "models", "autoscaling", "kuberay", "bench")


def sources(*packages: str) -> list[Path]:
    """Every Python file of some packages, relative to the root; all packages if none is named."""
    return [
        path.relative_to(ROOT) for package in packages or PACKAGES for path in sorted((ROOT / package).rglob("*.py"))
    ]
