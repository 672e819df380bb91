"""The state of services: as data for programs, as tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Group as Stack
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from kuberay.cluster.narrate import last_line, unread_notes, warning_text
from kuberay.cluster.observe import PODS, Cluster, Observation, Service, Side
from kuberay.cluster.revisions import Revision
from kuberay.cluster.verdict import History, Limits, judge

_MAX_WARNINGS = 5
_NO_REVISIONS = "note: Secrets may not be read here; revisions are not seen"
_COLOURS = {"RUNNING": "green", "HEALTHY": "green", "DEPLOY_FAILED": "red", "UNHEALTHY": "red"}

Summary = dict[str, Any]


def summary(now: Observation, service: Service, kept: Sequence[Revision] | None) -> Summary:
    """Everything worth knowing of a service, as JSON would hold it.

    Args:
        now: A look.
        service: In it.
        kept: Its revisions; None: they may not be read.

    Returns:
        Numbers of ready nodes are None where pods may not be read.
    """
    verdict, _ = judge(now, History(), 0.0, Limits(settle_s=0.0))
    ready = service.conditions.get("Ready")
    return {
        "name": service.name,
        "namespace": service.namespace,
        "generation": service.generation,
        "observed_generation": service.observed_generation,
        "ready": {
            "status": ready.status if ready else "Unknown",
            "reason": ready.reason if ready else "",
            "message": ready.message if ready else "",
        },
        "verdict": {"state": verdict.state, "reason": verdict.reason},
        "troubles": [trouble.text for trouble in verdict.troubles],
        "clusters": [_cluster(cluster, now, service) for cluster in now.clusters],
        "applications": [entry for side in (service.active, service.pending) if side for entry in _applications(side)],
        "warnings": [warning_text(warning) for warning in now.warnings[-_MAX_WARNINGS:]],
        "revisions": [{"number": revision.number, "good": revision.is_good} for revision in kept or ()],
        "notes": [*unread_notes(now), *([_NO_REVISIONS] if kept is None else [])],
    }


def _cluster(cluster: Cluster, now: Observation, service: Service) -> Summary:
    pods = [pod for pod in now.pods if pod.cluster == cluster.name]
    sides = {side.cluster: role for side, role in ((service.active, "active"), (service.pending, "pending")) if side}

    def num_ready(group: str) -> int | None:
        return None if PODS in now.unread else sum(pod.is_ready for pod in pods if pod.group == group)

    return {
        "name": cluster.name,
        "role": "deleting" if cluster.is_deleting else sides.get(cluster.name, "old"),
        "groups": [
            {"name": "head", "wanted": 1, "ready": num_ready("headgroup"), "min": 1, "max": 1},
            *(
                {
                    "name": group.name,
                    "wanted": group.num_wanted,
                    "ready": num_ready(group.name),
                    "min": group.min_nodes,
                    "max": group.max_nodes,
                }
                for group in cluster.groups
            ),
        ],
    }


def _applications(side: Side) -> list[Summary]:
    return [
        {
            "name": application.name,
            "cluster": side.cluster,
            "status": application.status,
            "message": last_line(application.message),
            "deployments": [
                {"name": found.name, "status": found.status, "message": last_line(found.message)}
                for found in application.deployments
            ],
        }
        for application in side.applications
    ]


def tables(found: Summary) -> RenderableType:
    """A service for a person."""
    parts: list[RenderableType] = [Text.assemble((f"{found['namespace']}/{found['name']}", "bold"), _headline(found))]
    parts += [_clusters_table(found), _applications_table(found)]
    parts += [Text(f"trouble: {text}", style="red") for text in found["troubles"]]
    parts += [Text(text, style="yellow") for text in found["warnings"]]
    if found["revisions"]:
        told = ", ".join(f"{one['number']}{' good' if one['good'] else ''}" for one in found["revisions"])
        parts.append(Text(f"revisions kept: {told}"))
    return Stack(*parts)


def _headline(found: Summary) -> str:
    ready = found["ready"]
    named = {"True": "ready", "False": "not ready"}.get(ready["status"], "no status yet")
    taken_up = "" if found["observed_generation"] >= found["generation"] else ", not taken up by KubeRay yet"
    reason = f" ({ready['reason']})" if ready["reason"] else ""
    return f"  {named}{reason}, generation {found['generation']}{taken_up}"


def _clusters_table(found: Summary) -> Table:
    table = Table("cluster", "role", "group", "ready", "wanted", "min", "max", box=None, pad_edge=False)
    for cluster in found["clusters"]:
        named = cluster["name"], cluster["role"]
        for group in cluster["groups"]:
            ready, *numbers = (group[key] for key in ("ready", "wanted", "min", "max"))
            style = "red" if ready is not None and ready < group["wanted"] else ""
            table.add_row(*named, group["name"], "?" if ready is None else str(ready), *map(str, numbers), style=style)
            named = "", ""
    return table


def _applications_table(found: Summary) -> Table:
    table = Table("application", "deployment", "status", "cluster", "message", box=None, pad_edge=False)
    for application in found["applications"]:
        _row(table, application["name"], "", application, application["cluster"])
        for deployment in application["deployments"]:
            _row(table, "", deployment["name"], deployment, "")
    return table


def _row(table: Table, name: str, deployment: str, entry: Summary, cluster: str) -> None:
    status = Text(entry["status"], style=_COLOURS.get(entry["status"], "yellow"))
    message = Text(entry["message"] if entry["status"] in ("DEPLOY_FAILED", "UNHEALTHY") else "")
    table.add_row(name, deployment, status, cluster, message)
