"""Results as one page that needs nothing but itself: no script, no file, no network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from autoscaling.simulate.arrivals import Arrivals
from autoscaling.simulate.experiment import Outcome
from autoscaling.simulate.report.plot import timeline
from autoscaling.simulate.report.table import rows

MAX_TIMELINES = 24
"""A what-if of many values would make a page that no browser opens; its table is whole."""


class MissingLibrary(Exception):
    """The page needs a library that is not installed; says how to install it."""


def require_libraries() -> None:
    """See whether a page can be made, before what it shows is simulated.

    Raises:
        MissingLibrary: matplotlib or jinja2 is not installed.
    """
    for library in ("jinja2", "matplotlib"):
        if find_spec(library) is None:
            raise MissingLibrary(f"a page needs {library}: pip install 'headrace[pages]'")


def page(
    outcomes: Sequence[Outcome], changes: Sequence[Mapping[str, str]], arrivals: Arrivals, inputs: Mapping[str, Any]
) -> str:
    """Everything that was found, for people.

    Args:
        outcomes: At least one.
        changes: What a what-if changed for each of them.
        arrivals: What came.
        inputs: Files, and what else is no part of a setup.

    Raises:
        MissingLibrary: matplotlib or jinja2 is not installed.
    """
    require_libraries()
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    table = rows(outcomes, changes)
    sections = [
        (_title(outcome, change), Markup(_own_ids(timeline(outcome, arrivals), place)), outcome.reasons)
        for place, (outcome, change) in enumerate(zip(outcomes[:MAX_TIMELINES], changes, strict=False))
    ]
    facts = {
        "head": table[0],
        "num_names": table[0].index("policy") + 1,
        "rows": table[1:],
        "sections": sections,
        "num_left_out": len(outcomes) - len(sections),
        "inputs": inputs,
        "settings": _settings(outcomes[0]),
        "num_seconds": len(arrivals.counts),
        "num_requests": int(arrivals.counts.sum()),
    }
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(facts)


def _title(outcome: Outcome, change: Mapping[str, str]) -> str:
    what = ", ".join(f"{key} {value}" for key, value in change.items())
    return f"{outcome.policy}: {what}" if what else outcome.policy


def _settings(outcome: Outcome) -> dict[str, str]:
    fields = outcome.setup.model_dump()
    return {name: "not set" if value is None else str(value) for name, value in fields.items() if value != {}}


def _own_ids(svg: str, place: int) -> str:
    """Several drawings stand in one page: the ids of each begin with its number."""
    return re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>plot{place}-", svg)
