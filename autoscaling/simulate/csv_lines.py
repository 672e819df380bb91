"""Lines of a CSV file with their numbers, so that whatever is wrong with one is told of that one."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path


def csv_lines(path: Path, wrong: Callable[[int, str], Exception]) -> Iterator[tuple[int, list[str]]]:
    """Number from 1, and cells, of each line; an empty line has none.

    Args:
        path: A line is a row: no cell goes on in the next. Bytes that are no UTF-8 are shown as \\xff.
        wrong: Makes the error of a line and a reason.

    Raises:
        Exception: What `wrong` makes: a line is no CSV.
        OSError: The file cannot be read.
    """
    with path.open(encoding="utf-8-sig", errors="backslashreplace", newline="") as file:
        # A reader of the whole file takes all lines after a stray quote for one cell.
        for line, text in enumerate(file, 1):
            try:
                cells = next(csv.reader([text], strict=True), [])
            except csv.Error as error:
                raise wrong(line, f"is no CSV: {error}") from error
            yield line, cells
