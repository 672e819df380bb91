"""What a deletion that takes long is said to wait for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kuberay.cluster.delete import Extent, is_of_redis, question, waits_for
from kuberay.cluster.manifests import Reference
from kuberay.cluster.observe import Cluster
from kuberay.render.storage import redis
from tests.unit.kuberay.cluster.building import seen
from tests.unit.kuberay.render.building import cluster as cluster_settings

CLUSTER = Cluster("svc-a", {}, (), {}, finalizers=("ray.io/gcs-ft-redis-cleanup-finalizer",))


def test_redis_is_named_only_once_the_cluster_is_being_deleted() -> None:
    now = replace(seen(), service=None, clusters=(CLUSTER,))
    assert waits_for(now) == "waiting for the clusters to go: svc-a"
    told = waits_for(replace(now, clusters=(replace(CLUSTER, is_deleting=True),)))
    assert "out of Redis" in told
    assert told.endswith("if that time is over, is KubeRay's operator running?")


def test_the_claim_of_a_rendered_redis_is_known() -> None:
    settings = cluster_settings(redis={"address": "managed"})
    _, workload = redis(settings)
    (template,) = workload["spec"]["volumeClaimTemplates"]
    made = {
        "name": f"{template['metadata']['name']}-{workload['metadata']['name']}-0",
        "labels": workload["spec"]["selector"]["matchLabels"],
    }
    assert is_of_redis({"metadata": made}, settings.name)
    assert not is_of_redis({"metadata": {**made, "name": f"models-{settings.name}"}}, settings.name)
    assert not is_of_redis({"metadata": {"name": made["name"]}}, settings.name)


CLAIMS = [Reference("v1", "PersistentVolumeClaim", "models", name) for name in ("svc-model-cache", "data-svc-redis-0")]
NAMED = "claims svc-model-cache, data-svc-redis-0"


@pytest.mark.parametrize(
    ("claims", "extent", "asked"),
    [
        ([], Extent(), "Delete RayService svc of namespace models?"),
        (
            CLAIMS,
            Extent(),
            "Delete RayService svc of namespace models? "
            f"The {NAMED} stay with what is on them (--volumes deletes them)",
        ),
        (
            CLAIMS,
            Extent(volumes=True),
            f"Delete RayService svc of namespace models, and the {NAMED} with what is on them?",
        ),
        (
            CLAIMS,
            Extent(namespace=True),
            "Delete RayService svc of namespace models and everything else in that namespace, "
            f"and the {NAMED} with what is on them?",
        ),
    ],
)
def test_who_is_asked_is_told_what_becomes_of_the_claims(claims: list[Reference], extent: Extent, asked: str) -> None:
    assert question("svc", "models", claims, extent) == asked
