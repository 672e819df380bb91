"""Writes a run's results and what is said of them."""

from __future__ import annotations

from pathlib import Path

from bench.report.html import html
from bench.report.markdown import markdown
from bench.report.summary import LIMIT, REFERENCE
from bench.results import Results


def write_report(results: Results, folder: Path, reference: str = REFERENCE, limit: str = LIMIT) -> list[Path]:
    """Write `results.json`, `report.md` and `report.html` into the folder, which is made.

    Returns:
        The files, the one to look at last.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in ("results.json", "report.md", "report.html")]
    results.save(paths[0])
    paths[1].write_text(markdown(results, reference, limit))
    paths[2].write_text(html(results, reference, limit))
    return paths
