"""How every plot looks: a system has one colour and marker throughout the report, and its name beside its line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from html import escape
from io import StringIO
from types import MappingProxyType
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.optimize import isotonic_regression

INK = "#222222"
PALE = "#767676"
GRID = "#e3e3e3"
PAPER: Mapping[str, Any] = MappingProxyType({"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0})
"""Behind a text that crosses lines."""

_REFERENCE = "#0072B2"
_OTHERS = ("#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#8C6D31")
"""Okabe and Ito's, which the colour-blind tell apart, without the yellow, which white paper swallows; a violet and a
brown follow. Markers tell apart what colours do not."""
_MARKERS = ("s", "^", "D", "v", "P", "X", "<", ">", "p", "h")


@dataclass(frozen=True, slots=True)
class Style:
    """How one system is drawn.

    Attributes:
        colour: Of its line, bar and marker.
        marker: Matplotlib's letter.
        dash: Matplotlib's line style.
        width: Of the line, points.
        weight: Of its name: `bold` for the reference.
        hatch: Of its bar, where another system has its colour.
    """

    colour: str
    marker: str
    dash: str
    width: float
    weight: str
    hatch: str = ""


@dataclass(frozen=True, slots=True)
class EndLabel:
    """A name at the right end of a line.

    Attributes:
        system: The name.
        x: Where the line ends, in the coordinates of the data.
        y: Likewise.
    """

    system: str
    x: float
    y: float


def styles(systems: Sequence[str], reference: str, limit: str) -> dict[str, Style]:
    """A style for each system; the reference's other forms (`<reference>-...`) have its colour, broken."""
    found = {}
    num_forms = num_others = 0
    for index, system in enumerate(systems):
        marker = _MARKERS[index % len(_MARKERS)]
        if system == reference:
            found[system] = Style(_REFERENCE, "o", "-", 2.8, "bold")
        elif system.startswith(f"{reference}-"):
            found[system] = Style(_REFERENCE, marker, ("--", "-.", ":")[num_forms % 3], 2.2, "bold", "////")
            num_forms += 1
        elif system == limit:
            found[system] = Style("black", marker, ":", 1.8, "normal")
        else:
            again = num_others >= len(_OTHERS)
            colour = _OTHERS[num_others % len(_OTHERS)]
            found[system] = Style(colour, marker, "-." if again else "-", 1.6, "normal", "////" if again else "")
            num_others += 1
    return found


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, inches; to be made within `drawing`."""
    return Figure(figsize=(width, height), layout="constrained")


def drawing() -> AbstractContextManager[None]:
    """The context in which a figure is made and written, so that nothing is set for the rest of the process."""
    return rc_context(
        {
            "svg.fonttype": "none",  # text stays text: found, read aloud, small
            "text.parse_math": False,  # a dollar in a name is a dollar
            "font.family": "sans-serif",
            "font.size": 10,
            "text.color": INK,
            "axes.edgecolor": PALE,
            "axes.labelcolor": INK,
            "axes.titlesize": 11,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": GRID,
            "xtick.color": INK,
            "ytick.color": INK,
            "figure.facecolor": "white",
            "lines.linewidth": 1.6,
        }
    )


def to_svg(figure: Figure, name: str, title: str) -> str:
    """The figure as an `<svg>` element that can stand in a page beside others: its ids begin with the name."""
    written = StringIO()
    with rc_context({"svg.hashsalt": name}):
        nobody = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(written, format="svg", metadata=nobody)
    svg = written.getvalue()
    svg = svg[svg.index("<svg") :]
    prefix = re.sub(r"[^a-zA-Z0-9-]", "-", name)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}--", svg)
    label = f' role="img" aria-label="{escape(title)}"'
    return svg.replace("<svg", f"<svg{label}", 1).rstrip()


def say_nothing(axes: Axes) -> None:
    """Say in the place of a plot that there is nothing to draw."""
    axes.text(0.5, 0.5, "nothing was measured", color=PALE, ha="center", va="center", transform=axes.transAxes)
    axes.set(xticks=[], yticks=[])


def label_ends(axes: Axes, labels: Sequence[EndLabel], looks: Mapping[str, Style], height: float) -> None:
    """Write each system's name right of where its line ends, moved apart so that none covers another.

    Args:
        axes: With their final limits and scales.
        labels: One a line.
        looks: Of the systems.
        height: Of the axes, inches.
    """
    to_ratio = axes.transScale + axes.transLimits
    ends = [to_ratio.transform((label.x, label.y)) for label in labels]
    gap = 13 / (height * 72)  # points of a line of text
    for label, end, y in zip(labels, ends, apart([end[1] for end in ends], gap, 0.0, 1.0), strict=True):
        look = looks[label.system]
        xs, ys = (float(end[0]), 1.03), (float(end[1]), y)
        axes.plot(xs, ys, color=look.colour, lw=0.7, alpha=0.7, transform=axes.transAxes, clip_on=False)
        axes.plot(1.03, y, marker=look.marker, color=look.colour, ms=5, transform=axes.transAxes, clip_on=False)
        axes.text(1.05, y, label.system, va="center", weight=look.weight, size=9, transform=axes.transAxes)


def apart(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move positions as little as possible, so that neighbours are a gap apart and all lie between low and high.

    Args:
        positions: In any order; the answer keeps it.
        gap: Least distance of two neighbours; smaller where they do not fit otherwise.
        low: Least position.
        high: Greatest position.
    """
    if not positions:
        return []
    steps = np.arange(len(positions)) * min(gap, (high - low) / max(1, len(positions) - 1))
    order = np.argsort(positions, kind="stable")
    moved = isotonic_regression(np.asarray(positions)[order] - steps).x
    placed = np.empty(len(positions))
    placed[order] = np.clip(moved, low, high - steps[-1]) + steps
    found: list[float] = placed.tolist()
    return found
