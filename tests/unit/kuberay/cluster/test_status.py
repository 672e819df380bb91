"""The state of a service, for programs and for people."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rich.console import Console

from kuberay.cluster.observe import PODS
from kuberay.cluster.revisions import Revision
from kuberay.cluster.status import Summary, summary, tables
from tests.unit.kuberay.cluster.building import cluster, pod, seen, side, waiting, warning

READY: dict[str, Any] = {"conditions": [{"type": "Ready", "status": "True"}]}

TABLES = """\
models/svc  ready (NonZeroServeEndpoints), generation 2
cluster  role     group  ready  wanted  min  max
svc-a    active   head   1      1       1    1
                  cpu    0      1       1    4
svc-b    pending  head   0      1       1    1
                  cpu    0      1       1    4
application  deployment  status     cluster  message
app                      UNHEALTHY  svc-a    no file
app                      DEPLOYING  svc-b
trouble: application app is UNHEALTHY: no file on the cluster that serves now
trouble: pod svc-a-cpu-1 cannot get the image: not found
warning for svc-a-cpu-1: Failed: not found
revisions kept: 1 good, 2
"""


def found() -> Summary:
    now = seen(
        cluster(),
        cluster("svc-b"),
        pod("svc-a-head", group="headgroup", **READY),
        pod(**waiting("ErrImagePull", "not found")),
        warning("Failed", "not found", "svc-a-cpu-1", "Pod"),
        active=side("svc-a", app=("UNHEALTHY", "Traceback\nno file")),
        pending=side("svc-b", app="DEPLOYING"),
    )
    assert now.service is not None
    return summary(now, now.service, [Revision(1, True, "a"), Revision(2, False, "b")])


def test_tables() -> None:
    console = Console(width=500, color_system=None, soft_wrap=True)
    with console.capture() as captured:
        console.print(tables(found()))
    assert "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n" == TABLES


def test_for_programs() -> None:
    data = found()
    assert data["verdict"]["state"] == "failing"
    assert data["clusters"][0]["groups"][0] == {"name": "head", "wanted": 1, "ready": 1, "min": 1, "max": 1}
    assert [entry["status"] for entry in data["applications"]] == ["UNHEALTHY", "DEPLOYING"]
    assert data["revisions"] == [{"number": 1, "good": True}, {"number": 2, "good": False}]


def test_what_may_not_be_read_is_not_shown_as_none() -> None:
    now = replace(seen(), unread=(PODS,))
    assert now.service is not None
    data = summary(now, now.service, None)
    assert {group["ready"] for group in data["clusters"][0]["groups"]} == {None}
    assert [note.partition(" may")[0] for note in data["notes"]] == ["note: pods", "note: Secrets"]
    console = Console(width=500, color_system=None, soft_wrap=True)
    with console.capture() as captured:
        console.print(tables(data))
    assert "svc-a    active  head   ?      1       1    1" in captured.get()
