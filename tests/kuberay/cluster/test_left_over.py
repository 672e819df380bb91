"""What was applied earlier and is no longer among the manifests: named, pruned, and never forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from kuberay.cluster.client import ApiServer
from kuberay.cluster.exits import Exit
from tests.kuberay.cluster.conftest import Session
from tests.kuberay.fake_api.manifests import ray_service, serve_config

NEW_CLUSTER: dict[str, Any] = {"upgradeStrategy": {"type": "NewCluster"}}
ALL = 1
"""All revisions, by number."""


def config(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}


def service(num_replicas: int = 1) -> dict[str, Any]:
    return ray_service(config=serve_config("app", num_replicas=num_replicas), **NEW_CLUSTER)


def told(session: Session) -> list[str]:
    """What was said of ConfigMaps last."""
    start = max(index for index, line in enumerate(session.lines) if line.startswith("$"))
    return [line for line in session.lines[start:] if line.startswith("ConfigMap")]


def there(server: ApiServer) -> set[str]:
    return {item["metadata"]["name"] for item in server.find("v1", "ConfigMap")}


def test_it_is_named_and_pruned(session: Session, server: ApiServer) -> None:
    session.apply(service(), config("settings"))
    session.apply(service(), is_dry_run=True, prune_since=ALL)
    assert told(session) == ["ConfigMap settings: would be deleted"]
    session.apply(service())
    assert told(session) == ["ConfigMap settings: no longer among the manifests; `apply --prune` deletes it"]
    session.apply(service(), prune_since=ALL)
    assert told(session) == ["ConfigMap settings: deleted"]
    assert there(server) == set()
    session.apply(service(2))
    assert told(session) == [], "what is gone is not named"


def test_several_applies_later_it_is_still_known(session: Session, server: ApiServer) -> None:
    session.apply(service(), config("settings"))
    session.apply(service(2))
    session.apply(service(3), config("other"))
    session.apply(service(4), prune_since=ALL)
    assert told(session) == ["ConfigMap settings: deleted", "ConfigMap other: deleted"]
    assert there(server) == set()


@pytest.mark.parametrize("label", ["instance", "part-of"])
def test_what_another_has_taken_over_is_left_alone(session: Session, server: ApiServer, label: str) -> None:
    session.apply(service(), config("settings"))
    (item,) = server.find("v1", "ConfigMap")
    path = f"/metadata/labels/app.kubernetes.io~1{label}"
    server.patch_json(item, [{"op": "replace", "path": path, "value": "theirs"}])
    session.apply(service(2), prune_since=ALL)
    assert told(session) == []
    assert there(server) == {"settings"}


def test_what_may_not_be_read_is_said_not_to_be_known(session: Session) -> None:
    session.apply(service(), config("settings"))
    session.cluster.forbid("get", "configmaps")
    assert session.apply(service(2), prune_since=ALL) is Exit.DONE
    assert "note: ConfigMap settings may not be read here; whether it is left over is not known" in session.lines


def test_rollback_takes_away_what_newer_revisions_brought_and_names_the_rest(
    session: Session, server: ApiServer
) -> None:
    session.apply(service(), config("old"))
    session.apply(service(2), config("kept"), wait=True)
    session.apply(service(3), config("kept"), config("first"))
    session.apply(service(4), config("second"))
    assert session.rollback(is_dry_run=True) is Exit.DONE
    expected = ["old: no longer among the manifests; `apply --prune` deletes it"]
    ends = [*expected, "first: would be deleted", "second: would be deleted"]
    assert told(session) == ["ConfigMap kept: unchanged", *(f"ConfigMap {end}" for end in ends)]
    assert session.rollback() is Exit.DONE
    assert there(server) == {"old", "kept"}
    session.apply(service(2), config("kept"))
    assert told(session) == ["ConfigMap kept: unchanged", *(f"ConfigMap {end}" for end in expected)]
