"""`headrace simulate`: what scaling policies would do with recorded arrivals, and what it would cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer()

_PLANT, _FAULTS, _OUTPUT = "What is simulated", "Nodes, faults, routing", "Output"


def _option(help_text: str, default: str | None = None, panel: str = _PLANT) -> typer.models.OptionInfo:
    """An option whose default is a setup's own, see `autoscaling.simulate.setup.Setup`."""
    found: typer.models.OptionInfo = typer.Option(help=help_text, show_default=default or False, rich_help_panel=panel)
    return found


@app.command()
def simulate(
    context: typer.Context,
    arrivals: Annotated[Path, typer.Option(help="CSV file with the columns second,count.")],
    policy: Annotated[
        list[str] | None,
        typer.Option(
            help="headrace, ray, ray-tuned, kpa, hpa, oracle, static:N, or package.module:Class, a policy of your own "
            "as Serve takes it. Several are compared.",
            show_default="headrace",
        ),
    ] = None,
    history: Annotated[
        Path | None, typer.Option(help="The arrivals before, in the same form, for policies that learn.")
    ] = None,
    curve: Annotated[str | None, _option("Seconds a batch takes: a call, and each row more.", "0.20,0.05")] = None,
    max_batch: Annotated[int | None, _option("Rows in a batch.", "8")] = None,
    lanes: Annotated[int | None, _option("Batches that a replica runs at once.", "1")] = None,
    variation: Annotated[float | None, _option("Deviation of a batch's time over its mean.", "0.1")] = None,
    startup_s: Annotated[float | None, _option("From the decision until a replica serves.", "10")] = None,
    startup_variation: Annotated[float | None, _option("Deviation of a start's time over its mean.", "0")] = None,
    slo_s: Annotated[float | None, _option("A request that takes longer is late.", "1.5")] = None,
    late_ratio: Annotated[float | None, _option("Share of the requests that may be late.", "0.01")] = None,
    min_replicas: Annotated[int | None, _option("Bound.", "1")] = None,
    max_replicas: Annotated[int | None, _option("Bound.", "60")] = None,
    initial_replicas: Annotated[int | None, _option("Ready at the start.", "what the first minute takes, + 2")] = None,
    score_from_s: Annotated[float | None, _option("What comes before is not scored.", "600")] = None,
    price: Annotated[float | None, _option("Of a replica in an hour.", "1")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.", rich_help_panel=_PLANT)] = 1,
    seeds: Annotated[
        int, typer.Option(min=1, help="Means of so many seeds from --seed on.", rich_help_panel=_PLANT)
    ] = 1,
    routing: Annotated[
        Literal["central", "p2c"] | None,
        _option("One queue, or each request to one of two replicas.", "central", _FAULTS),
    ] = None,
    max_ongoing: Annotated[
        int | None, _option("Requests that a replica may hold with p2c.", "two batches a lane", _FAULTS)
    ] = None,
    max_queued: Annotated[int | None, _option("Behind so many a request is refused.", "never", _FAULTS)] = None,
    crash_per_hour: Annotated[float | None, _option("Crashes of each replica in an hour.", "0", _FAULTS)] = None,
    reclaim_per_hour: Annotated[float | None, _option("Spot reclaims in an hour.", "0", _FAULTS)] = None,
    reclaim_share: Annotated[float | None, _option("Share of all replicas that each takes.", "0.5", _FAULTS)] = None,
    reclaim_notice_s: Annotated[float | None, _option("From its notice to its loss.", "120", _FAULTS)] = None,
    replicas_per_node: Annotated[
        int | None, _option("Simulate nodes of so many replicas.", "no nodes", _FAULTS)
    ] = None,
    node_startup_s: Annotated[float | None, _option("From the request for a node to its start.", "60", _FAULTS)] = None,
    node_idle_s: Annotated[float | None, _option("An empty node goes after so long.", "60", _FAULTS)] = None,
    node_price: Annotated[float | None, _option("Of a node in an hour, beside its replicas'.", "0", _FAULTS)] = None,
    policy_kwargs: Annotated[
        str | None, typer.Option(help="JSON object that a policy class of your own is constructed with.")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="An option of a policy: goal.quantile=0.95, ray.upscale_delay_s=5, kwargs.NAME=..."),
    ] = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(help="What if: slo-s=0.5,1,1.5, any number or what --set takes. Several: every combination."),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the results, for programs.", rich_help_panel=_OUTPUT)
    ] = None,
    html_file: Annotated[
        Path | None, typer.Option("--html", help="Write a page with plots.", rich_help_panel=_OUTPUT)
    ] = None,
) -> None:
    """Simulate scaling policies on recorded arrivals, request by request, before they cost anything."""
    from autoscaling.simulate.arrivals import ArrivalsError
    from autoscaling.simulate.policy_error import PolicyError
    from autoscaling.simulate.report.page import MissingLibrary
    from autoscaling.simulate.setup import SetupError
    from serve_app.command.simulation import Request, simulate_and_tell

    request = Request(
        arrivals,
        history,
        tuple(policy or ("headrace",)),
        context.params,
        tuple(change or ()),
        tuple(sweep or ()),
        range(seed, seed + seeds),
        json_file,
        html_file,
    )
    try:
        simulate_and_tell(request)
    except (ArrivalsError, SetupError, PolicyError, MissingLibrary, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
