"""Tests of `kuberay.render.storage`, and that pods mount what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from kuberay.render.rayservice import rayservice
from kuberay.render.storage import model_cache, redis
from tests.unit.kuberay.render.building import cluster, platform


def test_every_pod_mounts_the_claim_and_keeps_models_there(tmp_path: Path) -> None:
    settings = cluster(model_cache={"size_bytes": "100Gi", "storage_class": "efs", "mount_path": "/m"})
    (claim,) = model_cache(settings)
    assert claim["spec"] == {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": "100Gi"}},
        "storageClassName": "efs",
    }
    config = rayservice(settings, platform(tmp_path))["spec"]["rayClusterConfig"]
    for group in (config["headGroupSpec"], *config["workerGroupSpecs"]):
        spec = group["template"]["spec"]
        (volume,) = spec["volumes"]
        assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        (container,) = spec["containers"]
        assert container["volumeMounts"] == [{"name": volume["name"], "mountPath": "/m"}]
        assert {"name": "HEADRACE_CACHE_DIR", "value": "/m"} in container["env"]


def test_an_existing_claim_is_used_and_not_made() -> None:
    assert model_cache(cluster(model_cache={"claim": "mine"})) == []


def test_a_managed_redis_is_where_ray_is_told_that_it_is(tmp_path: Path) -> None:
    settings = cluster(redis={"address": "managed", "password_secret": "r"})
    service, _ = redis(settings)
    told = rayservice(settings, platform(tmp_path))["spec"]["rayClusterConfig"]["gcsFaultToleranceOptions"]
    assert told["redisAddress"] == f"{service['metadata']['name']}:{service['spec']['ports'][0]['port']}"


def test_a_redis_of_one_s_own_is_not_made(tmp_path: Path) -> None:
    settings = cluster(redis={"address": "redis.example.com:6380"})
    assert redis(settings) == []
    told = rayservice(settings, platform(tmp_path))["spec"]["rayClusterConfig"]["gcsFaultToleranceOptions"]
    assert told == {"redisAddress": "redis.example.com:6380"}


@pytest.mark.parametrize("provider", ["kind", "eks"])
def test_a_redis_stands_beside_the_head_and_both_stay_there(tmp_path: Path, provider: str) -> None:
    settings = cluster(redis={"address": "managed"}, provider=provider, head={"node_labels": {"disk": "ssd"}})
    _, workload = redis(settings)
    template = rayservice(settings, platform(tmp_path))["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]
    head = template["spec"]
    assert workload["spec"]["template"]["spec"]["nodeSelector"] == head["nodeSelector"]
    assert workload["spec"]["template"]["metadata"]["annotations"] == template["metadata"]["annotations"]
    assert template["metadata"]["annotations"] == {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
    assert ("headrace.io/node-group" in head["nodeSelector"]) == (provider == "eks")
    assert "nodeSelector" not in redis(cluster(redis={"address": "managed"}))[1]["spec"]["template"]["spec"]


def test_a_redis_without_a_password_asks_for_none() -> None:
    _, workload = redis(cluster(redis={"address": "managed"}))
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    assert "--requirepass" not in container["args"]
    assert "env" not in container
