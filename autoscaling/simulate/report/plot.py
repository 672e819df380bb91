"""One policy over time: what came and what was expected, what was wanted and ready, what was late."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from io import StringIO
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoscaling.simulate.arrivals import Arrivals
from autoscaling.simulate.experiment import Outcome

Floats = NDArray[np.float64]

MAX_POINTS = 900
"""Of a line; of more seconds each point is the highest, so that no peak is lost."""

BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#767676"

STYLE: Mapping[Any, Any] = MappingProxyType(
    {
        "svg.fonttype": "none",  # text stays text: found, read aloud, small
        "text.parse_math": False,
        "font.family": "sans-serif",
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#e3e3e3",
        "lines.linewidth": 1.3,
    }
)


def timeline(outcome: Outcome, arrivals: Arrivals) -> str:
    """An `<svg>` element.

    Args:
        outcome: Its first seed is drawn.
        arrivals: What came.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    title = f"{outcome.policy}: demand, replicas and violations over time"
    written = StringIO()
    with rc_context({**STYLE, "svg.hashsalt": title}):
        figure = Figure(figsize=(11.0, 6.4), layout="constrained")
        axes = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 2))
        _draw(outcome, arrivals, axes)
        figure.savefig(written, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    svg = written.getvalue()
    svg = svg[svg.index("<svg") :]
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(title)}"', 1).rstrip()


def _draw(outcome: Outcome, arrivals: Arrivals, axes: Any) -> None:
    moments, setup = outcome.run.moments, outcome.setup
    minutes = np.arange(len(moments)) / 60.0
    demand, replicas, late = axes
    _line(demand, minutes, arrivals.counts.astype(np.float64), GREY, "arrivals", 0.9)
    bounds = np.array([np.nan if one.bound_per_s is None else one.bound_per_s for one in moments], dtype=np.float64)
    if np.isfinite(bounds).any():
        _line(demand, minutes, bounds, BLUE, "forecast bound", 1.5)
    demand.set_ylabel("requests a second")
    _line(replicas, minutes, np.array([one.num_wanted for one in moments], float), ORANGE, "wanted", 1.6)
    _line(replicas, minutes, np.array([one.seen.num_ready for one in moments], float), GREEN, "ready", 1.3)
    replicas.set_ylabel("replicas")
    missed = np.diff(np.array([0.0, *(float(one.seen.num_missed) for one in moments)]))
    _line(late, minutes, missed, RED, f"not answered within {setup.slo_s:g} s", 1.0)
    late.set(ylabel="violations a second", xlabel="minutes")
    for one in axes:
        one.set_ylim(bottom=0.0)
        one.margins(x=0.0)
        if setup.score_from_s > 0.0:
            one.axvspan(0.0, setup.score_from_s / 60.0, color=GREY, alpha=0.12, lw=0.0)
        one.legend(loc="upper right", frameon=True, fontsize=9)


def _line(axes: Any, minutes: Floats, values: Floats, colour: str, label: str, width: float) -> None:
    step = max(1, -(-len(values) // MAX_POINTS))
    padded = np.concatenate([values, np.full(-len(values) % step, -np.inf)]).reshape(-1, step)
    highest = np.max(np.where(np.isnan(padded), -np.inf, padded), axis=1)
    shown = np.where(np.isfinite(highest), highest, np.nan)
    axes.plot(minutes[::step], shown, color=colour, label=label, lw=width, drawstyle="steps-post")
