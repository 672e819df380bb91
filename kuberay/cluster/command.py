"""The commands that speak to a live cluster: apply, wait, status, rollback, delete."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kuberay.cluster.exits import Exit

if TYPE_CHECKING:
    from kuberay.cluster.client import ApiServer
    from kuberay.cluster.manifests import Manifests
    from kuberay.cluster.rollout import Wishes
    from kuberay.cluster.status import Summary
    from kuberay.cluster.wait import Terminal

app = typer.Typer()

EXITS = (
    "Exit status: 0 done, 1 failed for good, 2 wrong usage, 3 time limit, 4 refused before anything was changed, "
    "5 failed and rolled back, 130 stopped by Ctrl-C: the cluster goes on."
)

Context = Annotated[str | None, typer.Option("--context", help="Of the kubeconfig; by default its current one.")]
Namespace = Annotated[
    str | None, typer.Option("--namespace", "-n", help="By default the manifests' own, or the context's.")
]
Name = Annotated[str, typer.Argument(help="Name of the RayService.")]
Timeout = Annotated[float, typer.Option("--timeout-s", min=0, help="Time limit of a wait; 0 looks once.")]
NodeWait = Annotated[
    float, typer.Option("--node-wait-s", min=1, help="A pod without a node is given so long: providers take minutes.")
]
Patience = Annotated[
    float, typer.Option("--patience", min=0.1, help="Multiplies the time that any other trouble is given to go away.")
]
Wait = Annotated[bool, typer.Option("--wait", help="Until it is ready; that is remembered for `rollback`.")]
Force = Annotated[bool, typer.Option("--force-conflicts", help="Take fields over that others have changed.")]

TIMEOUT_S, NODE_WAIT_S = 1800.0, 600.0


@app.command(epilog=EXITS)
def apply(
    source: Annotated[Path, typer.Argument(help="A folder or file of manifests, or cluster settings.", exists=True)],
    context: Context = None,
    namespace: Namespace = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Try it on the server, change nothing.")] = False,
    force: Force = False,
    prune: Annotated[bool, typer.Option("--prune", help="Delete what is no longer among the manifests.")] = False,
    wait: Wait = False,
    rollback_on_failure: Annotated[
        bool, typer.Option("--rollback-on-failure", help="With --wait: back to the last good revision.")
    ] = False,
    timeout_s: Timeout = TIMEOUT_S,
    node_wait_s: NodeWait = NODE_WAIT_S,
    patience: Patience = 1.0,
) -> None:
    """Bring manifests to a cluster, after all of them were tried there."""
    from kuberay.cluster.revisions import FIRST_NUMBER
    from kuberay.cluster.rollout import roll_out

    if rollback_on_failure and not wait:
        raise typer.BadParameter("without --wait nobody knows whether it failed", param_hint="--rollback-on-failure")
    wishes = _wishes(timeout_s, node_wait_s, patience)._replace(
        is_dry_run=dry_run,
        is_forced=force,
        prune_since=FIRST_NUMBER if prune else None,
        wait=wait,
        rollback_on_failure=rollback_on_failure,
    )
    with _connected(context, namespace) as server:
        manifests = _read(source, server, namespace)
        _exit(roll_out(server, manifests, wishes, _terminal()))


@app.command(epilog=EXITS)
def wait(
    name: Name,
    context: Context = None,
    namespace: Namespace = None,
    timeout_s: Timeout = TIMEOUT_S,
    node_wait_s: NodeWait = NODE_WAIT_S,
    patience: Patience = 1.0,
) -> None:
    """Follow a rollout until it is ready, cannot become so, or takes too long."""
    from kuberay.cluster.look import look
    from kuberay.cluster.rollout import settle
    from kuberay.cluster.wait import wait as follow

    limits = _wishes(timeout_s, node_wait_s, patience).limits
    limits = limits._replace(settle_s=min(limits.settle_s, timeout_s))
    with _connected(context, namespace) as server:
        terminal = _terminal()
        outcome = follow(partial(look, server, name, server.namespace), terminal, timeout_s, limits)
        _exit(settle(server, name, server.namespace, outcome, terminal))


@app.command()
def status(
    name: Annotated[str | None, typer.Argument(help="Only this RayService.")] = None,
    context: Context = None,
    namespace: Namespace = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show services: clusters, nodes of every group, applications, deployments, warnings."""
    from rich.console import Console

    from kuberay.cluster.look import RAY
    from kuberay.cluster.status import tables

    with _connected(context, namespace) as server:
        place = server.namespace
        there = [item["metadata"]["name"] for item in server.find(RAY, "RayService")]
        if name is not None and name not in there:
            _fail(f"no RayService {name} in namespace {place}; there are: {', '.join(there) or 'none'}", Exit.FAILED)
        found = [entry for one in (there if name is None else [name]) if (entry := _summary(server, one, place))]
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    if not found:
        typer.echo(f"no RayService in namespace {place}")
    for entry in found:
        Console(soft_wrap=True).print(tables(entry))
    for note in dict.fromkeys(note for entry in found for note in entry["notes"]):
        typer.echo(note)


@app.command(epilog=EXITS)
def rollback(
    name: Name,
    context: Context = None,
    namespace: Namespace = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, change nothing.")] = False,
    force: Force = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Until it is ready again.")] = True,
    timeout_s: Timeout = TIMEOUT_S,
    node_wait_s: NodeWait = NODE_WAIT_S,
    patience: Patience = 1.0,
) -> None:
    """Go back to the last revision that a wait has seen ready."""
    from kuberay.cluster.rollout import roll_back

    wishes = _wishes(timeout_s, node_wait_s, patience)._replace(is_dry_run=dry_run, is_forced=force, wait=wait)
    with _connected(context, namespace) as server:
        _exit(roll_back(server, name, server.namespace, wishes, _terminal()))


@app.command(epilog=EXITS)
def delete(
    name: Name,
    context: Context = None,
    namespace: Namespace = None,
    volumes: Annotated[bool, typer.Option("--volumes", help="Claims too, with what is on them.")] = False,
    with_namespace: Annotated[bool, typer.Option("--with-namespace", help="And the namespace with all in it.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    timeout_s: Timeout = 600.0,
) -> None:
    """Delete a service and what was applied for it; never KubeRay itself."""
    from kuberay.cluster.delete import Extent, find_claims, question
    from kuberay.cluster.delete import delete as remove

    extent = Extent(volumes, with_namespace)
    with _connected(context, namespace) as server:
        if not yes:
            claims = find_claims(server, name, server.namespace)
            typer.confirm(question(name, server.namespace, claims, extent), abort=True)
        _exit(remove(server, name, server.namespace, extent, _terminal(), timeout_s))


def _wishes(timeout_s: float, node_wait_s: float, patience: float) -> Wishes:
    from kuberay.cluster.rollout import Wishes
    from kuberay.cluster.verdict import Limits

    return Wishes(timeout_s=timeout_s, limits=Limits(scheduling_s=node_wait_s, patience_factor=patience))


def _summary(server: ApiServer, name: str, namespace: str) -> Summary | None:
    """The state of a service; None: it is gone."""
    from kuberay.cluster.look import look
    from kuberay.cluster.reading import Reader
    from kuberay.cluster.revision_store import load_revisions
    from kuberay.cluster.status import summary

    seen, reader = look(server, name, namespace), Reader()
    if seen.service is None:
        return None
    kept = reader.read("Secrets", partial(load_revisions, server, name, namespace))
    return summary(seen, seen.service, kept)


def _read(source: Path, server: ApiServer, namespace: str | None) -> Manifests:
    """Manifests from files, or rendered from cluster settings."""
    from kuberay.cluster.manifests import arrange, read_documents
    from kuberay.cluster.settings_source import is_settings, rendered

    documents = rendered(source) if is_settings(source) else read_documents(source)
    kinds = {(item["apiVersion"], item["kind"]) for item in documents}
    known = [kind for kind in kinds if server.knows(*kind)]
    on_cluster = frozenset(kind for version, kind in known if not server.is_namespaced(version, kind))
    return arrange(documents, namespace, on_cluster, fallback=server.namespace)


@contextmanager
def _connected(context: str | None, namespace: str | None) -> Iterator[ApiServer]:
    """A connection; what the cluster does not want ends the program in one line each."""
    from kuberay.cluster.client import ApiServer
    from kuberay.cluster.errors import ClusterError

    try:
        with ApiServer.connect(context, namespace) as server:
            yield server
    except ClusterError as error:
        _fail(str(error), Exit.REFUSED)
    except KeyboardInterrupt:
        _fail("stopped looking; the cluster goes on: `wait NAME` looks again", Exit.STOPPED)


def _terminal() -> Terminal:
    from kuberay.cluster.wait import Terminal

    return Terminal(typer.echo, time.monotonic, time.sleep)


def _exit(state: Exit) -> None:
    raise typer.Exit(int(state))


def _fail(text: str, state: Exit) -> None:
    typer.echo(text, err=True)
    raise typer.Exit(int(state))
