"""What a deletion that takes long is said to wait for."""

from __future__ import annotations

from dataclasses import replace

from kuberay.cluster.delete import waits_for
from kuberay.cluster.observe import Cluster
from tests.unit.kuberay.cluster.building import seen

CLUSTER = Cluster("svc-a", {}, (), {}, finalizers=("ray.io/gcs-ft-redis-cleanup-finalizer",))


def test_redis_is_named_only_once_the_cluster_is_being_deleted() -> None:
    now = replace(seen(), service=None, clusters=(CLUSTER,))
    assert waits_for(now) == "waiting for the clusters to go: svc-a"
    told = waits_for(replace(now, clusters=(replace(CLUSTER, is_deleting=True),)))
    assert "out of Redis" in told
    assert told.endswith("if that time is over, is KubeRay's operator running?")
