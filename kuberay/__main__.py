"""Entry of `python -m kuberay`."""

from __future__ import annotations

from kuberay.command import app

if __name__ == "__main__":
    app()
