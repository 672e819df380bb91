"""Print what pyproject.toml declares, a requirement a line: pip cannot install a project's dependencies without it.

python declared.py PYPROJECT [EXTRA...]    what runs, with these extras
python declared.py PYPROJECT --build       what builds the wheel
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path


def declared(pyproject: Path, wanted: Sequence[str]) -> list[str]:
    """The requirements; an extra that is not declared is a KeyError."""
    data = tomllib.loads(pyproject.read_text())
    if list(wanted) == ["--build"]:
        return list(data["build-system"]["requires"])
    project = data["project"]
    extras = [requirement for extra in wanted for requirement in project["optional-dependencies"][extra]]
    return [*project["dependencies"], *extras]


if __name__ == "__main__":
    print("\n".join(declared(Path(sys.argv[1]), sys.argv[2:])))
