"""From a forecast and prices to an allocation, and from that to what a person, a program and the platform read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import typer
import yaml
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from autoscaling.optimize.forecast import read_forecast
from autoscaling.optimize.inputs import Profile, Requirement, read_prices
from models.manifest import Manifest
from serve_app import profiles
from serve_app.selection import preprocessing_placement, select_models
from serve_app.settings import Model, Pool, Settings, load_settings, parse_settings

TABLE_CHARS = 140


class Request(NamedTuple):
    """What was typed, see `headrace optimize --help`."""

    forecast: Path
    prices: Path
    settings: Path | None
    period_s: float
    json_file: Path | None
    plot_file: Path | None
    out: Path | None


def optimize_and_tell(request: Request) -> None:
    """Allocate, print the table, the nodes over time, the reasons and the settings, and write the files.

    Raises:
        ValueError: A file of inputs is wrong, or nothing can run a workload.
        SettingsError: The settings are wrong, or have no profiles.
        ImportError: The solver, or what draws plots, is not installed.
        OSError: A file cannot be written.
    """
    _require("scipy", "optimize")
    if request.plot_file is not None:
        _require("matplotlib", "pages")
    from autoscaling.optimize.allocation import calculate_optimal_allocation
    from autoscaling.optimize.report import document, plot

    forecast, prices = read_forecast(request.forecast), read_prices(request.prices)
    settings = load_settings(request.settings) if request.settings is not None else None
    requirements: dict[str, Requirement] = dict(prices.workloads)
    if settings is not None and request.settings is not None:
        missing = set(forecast) - set(requirements)
        requirements |= {name: one for name, one in requirements_of(settings, request.settings) if name in missing}
    allocation = calculate_optimal_allocation(forecast, requirements, prices, request.period_s)
    found = document(allocation)
    _tell(allocation)
    written = settings_text(found, settings)
    if request.out is not None:
        request.out.write_text(written, encoding="utf-8")
    else:
        typer.echo(written, nl=False)
    if request.json_file is not None:
        request.json_file.write_text(json.dumps(found, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    if request.plot_file is not None:
        plot(allocation, request.plot_file)


def requirements_of(settings: Settings, path: Path) -> Iterator[tuple[str, Requirement]]:
    """What models of the settings must reach and were measured to take; those without both are left out.

    Args:
        settings: SLOs, and what a replica reserves, are those of their pools; a pool's name is its kind of hardware.
        path: Their file; the profiles are beside it.

    Raises:
        SettingsError: The profiles or a repository cannot be read, or a model is in none.
    """
    file = Path(settings.profiles) if settings.profiles is not None else profiles.beside(path)
    measured = profiles.read_profiles(file)
    for selected in select_models(settings):
        model = selected.options
        versions = [version for version in measured.get(model.name, {}) if version in selected.sources]
        goal = next((pool.autoscaling for pool in model.pools if pool.autoscaling is not None), None)
        if goal is None or not versions:
            continue
        # Of several versions any may be asked: the newest is taken, as elsewhere where none is named.
        version = max(versions, key=lambda version: (len(version), version))
        manifest = selected.sources[version].manifest
        known = measured[model.name][version]
        found = ((pool.name, _profile(model, pool, known.get(pool.name), manifest)) for pool in model.pools)
        taken = {name: profile for name, profile in found if profile is not None}
        if taken:
            yield (
                model.name,
                Requirement(
                    slo_s=goal.slo_s, late_ratio=goal.late_ratio, min_replicas=min(1, goal.min_replicas), profiles=taken
                ),
            )


def _profile(model: Model, pool: Pool, known: profiles.Profile | None, manifest: Manifest) -> Profile | None:
    """What a replica of a pool takes; None: it was not measured."""
    memory_bytes = pool.memory_bytes or (known.memory_bytes if known is not None else None)
    # What a running platform has learned may lack these; `headrace profile` measures them.
    if known is None or known.startup_s is None or memory_bytes is None:
        return None
    # If it is chosen it is the model's only pool, and where preprocessing runs goes by the pools.
    alone = model.model_copy(update={"pools": (pool,)})
    preprocesses = preprocessing_placement(alone, manifest) == "replica"
    return Profile(
        call_s=known.call_s,
        row_s=known.row_s + ((known.preprocess_row_s or 0.0) if preprocesses else 0.0),
        max_batch=known.max_rows,
        startup_s=known.startup_s,
        memory_bytes=max(1, memory_bytes),
        num_cpus=pool.num_cpus,
        num_gpus=pool.num_gpus,
    )


def settings_text(found: Mapping[str, Any], settings: Settings | None) -> str:
    """The settings as YAML that `headrace check` accepts, with the nodes and what is bought as comments.

    Args:
        found: See `report.document`.
        settings: Those that it changes: pools of the same name take the new numbers, all else stays. None: new ones.

    Raises:
        SettingsError: They are none.
    """
    models = {model["name"]: model for model in found["settings"]["models"]}
    plain: dict[str, Any] = {"models": list(models.values())}
    if settings is not None:
        plain = settings.model_dump(mode="json", exclude_unset=True)
        kept = [_changed(model, models.pop(model.name, None)) for model in settings.models]
        plain["models"] = [*kept, *models.values()]
    parse_settings(plain, "the new settings", {})
    nodes = [f"# nodes {group['name']}: {group['min_nodes']} to {group['max_nodes']}" for group in found["node_groups"]]
    bought = [
        f"# {name} is bought by the request, so it has no pool here"
        for name, plan in found["workloads"].items()
        if plan["strategy"] == "serverless"
    ]
    lines = ["# Written by `headrace optimize`.", *nodes, *bought]
    return "\n".join(lines) + "\n" + yaml.safe_dump(plain, sort_keys=False)


def _changed(model: Model, new: Mapping[str, Any] | None) -> dict[str, Any]:
    plain: dict[str, Any] = model.model_dump(mode="json", exclude_unset=True)
    if new is None:
        return plain
    (pool,) = new["pools"]
    old = next((dict(one) for one in plain.get("pools", ()) if one.get("name", "cpu") == pool["name"]), {})
    old.pop("num_replicas", None)
    scaling = {**(old.get("autoscaling") or {}), **pool["autoscaling"]}
    return {**plain, "pools": [{**old, **pool, "autoscaling": scaling}]}


def _tell(allocation: Any) -> None:
    from autoscaling.optimize.report import HEAD, node_lines, workload_rows

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = TABLE_CHARS  # whoever reads a file or a pipe wraps by itself
    table = Table(*HEAD, box=SIMPLE_HEAD, pad_edge=False)
    for row in workload_rows(allocation):
        table.add_row(*row)
    console.print(table)
    nodes = Table("nodes", "number", "over time", box=SIMPLE_HEAD, pad_edge=False)
    for line in node_lines(allocation):
        nodes.add_row(*line)
    console.print(nodes)
    per_hour = allocation.cost / allocation.hours
    console.print(
        f"{per_hour:.4g} {allocation.currency} an hour, {allocation.cost:.4g} for {allocation.hours:g} hours\n"
    )
    for plan in allocation.workloads:
        console.print(f"{plan.workload}: {plan.why}\n", soft_wrap=True)


def _require(library: str, extra: str) -> None:
    if find_spec(library) is None:
        raise ImportError(f"this needs {library}: pip install 'headrace[{extra}]'")
