"""An allocation for people and programs: cells of a table, a document, and plots."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from autoscaling.optimize.allocation import Allocation, WorkloadPlan
from autoscaling.optimize.packing import MARKETS
from autoscaling.optimize.settings import node_group_options, platform_options

Cells = tuple[str, ...]

HEAD: Cells = ("workload", "strategy", "nodes", "replica", "on demand", "spot", "cost", "late", "serverless below")
BLOCKS = " ▁▂▃▄▅▆▇█"
MAX_CHARS = 72


def workload_rows(allocation: Allocation) -> Iterator[Cells]:
    """A row of each workload, in the order of `HEAD`."""
    for plan in allocation.workloads:
        option, below = plan.option, plan.serverless_below_per_s
        yield (
            plan.workload,
            plan.strategy,
            option.group.name if option.group is not None else "-",
            _size(plan),
            _span(option.on_demand),
            _span(option.spot),
            f"{plan.cost / allocation.hours:.3g} {allocation.currency}/h",
            f"<= {100.0 * plan.risk_ratio:.2g} %",
            f"{below:.3g}/s" if below is not None else "-",
        )


def node_lines(allocation: Allocation) -> Iterator[tuple[str, str, str]]:
    """Group and market, fewest to most nodes, and nodes over time as a line of blocks, of all that are used."""
    for group in allocation.groups:
        for market in MARKETS:
            nums = allocation.num_nodes(group.name, market)
            if any(nums):
                yield f"{group.name} {market}", _span(nums), blocks(nums)


def blocks(nums: tuple[int, ...]) -> str:
    """Numbers as a line of blocks, the highest full; of more numbers than fit each block is the highest of several."""
    step = -(-len(nums) // MAX_CHARS)
    shown = [max(nums[first : first + step]) for first in range(0, len(nums), step)]
    most = max(1, *shown)
    return "".join(BLOCKS[-(-num * (len(BLOCKS) - 1) // most)] for num in shown)


def document(allocation: Allocation) -> dict[str, Any]:
    """Everything that was decided, for programs.

    All numbers are finite: without prices serverless is cheaper at any rate, which is none to name.
    """
    return {
        "cost": allocation.cost,
        "cost_per_hour": allocation.cost / allocation.hours,
        "currency": allocation.currency,
        "periods": [asdict(period) for period in allocation.periods],
        "workloads": {plan.workload: _workload(plan) for plan in allocation.workloads},
        "nodes": [[use._asdict() | {"holds": dict(use.holds)} for use in uses] for uses in allocation.nodes],
        "node_groups": node_group_options(allocation),
        "settings": platform_options(allocation),
    }


def plot(allocation: Allocation, path: Path) -> None:
    """Draw rates, replicas and nodes over time.

    Args:
        allocation: What is drawn.
        path: Written; its ending says the format, png, svg or pdf.

    Raises:
        OSError: It cannot be written.
        ValueError: There is no such format.
    """
    from matplotlib.figure import Figure

    edges = [period.start_s / 3600.0 for period in allocation.periods]
    edges.append(edges[-1] + allocation.periods[-1].hours)
    figure = Figure(figsize=(10.0, 7.5), layout="constrained")
    rates, replicas, nodes = figure.subplots(3, 1, sharex=True)
    for plan in allocation.workloads:
        rates.stairs([period.peak_per_s[plan.workload] for period in allocation.periods], edges, label=plan.workload)
        replicas.stairs(plan.replicas, edges, label=plan.workload)
    below = [0] * len(allocation.periods)
    for group in allocation.groups:
        for market in MARKETS:
            nums = allocation.num_nodes(group.name, market)
            if any(nums):
                top = [low + num for low, num in zip(below, nums, strict=True)]
                nodes.stairs(top, edges, baseline=below, fill=True, alpha=0.8, label=f"{group.name} {market}")
                below = top
    per_hour = allocation.cost / allocation.hours
    rates.set(ylabel="requests a second", title=f"{per_hour:.3g} {allocation.currency} an hour on average")
    replicas.set_ylabel("replicas")
    nodes.set(ylabel="nodes", xlabel="hours")
    for axes in (rates, replicas, nodes):
        axes.set_ylim(bottom=0.0)
        axes.margins(x=0.0)
        axes.spines[["top", "right"]].set_visible(False)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="upper right", fontsize=9)
    figure.savefig(path)


def _workload(plan: WorkloadPlan) -> dict[str, Any]:
    option, below = plan.option, plan.serverless_below_per_s
    return {
        "strategy": plan.strategy,
        "node_group": option.group.name if option.group is not None else None,
        "num_cpus": option.profile.num_cpus if option.profile is not None else None,
        "memory_bytes": option.profile.memory_bytes if option.profile is not None else None,
        "num_gpus": option.profile.num_gpus if option.profile is not None else None,
        "on_demand": option.on_demand,
        "spot": option.spot,
        "on_demand_base": option.base,
        "cost": plan.cost,
        "risk_ratio": plan.risk_ratio,
        "serverless_below_per_s": below if below is not None and math.isfinite(below) else None,
        "why": plan.why,
    }


def _size(plan: WorkloadPlan) -> str:
    profile = plan.option.profile
    if profile is None:
        return "-"
    gpus = f", {profile.num_gpus:g} GPU" if profile.num_gpus > 0.0 else ""
    return f"{profile.num_cpus:g} CPU{gpus}, {profile.memory_bytes / 2**30:.3g} GiB"


def _span(nums: tuple[int, ...]) -> str:
    return str(nums[0]) if min(nums) == max(nums) else f"{min(nums)}-{max(nums)}"
