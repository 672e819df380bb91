"""RayServices as plain dicts, small enough to read."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import yaml

GPU = {"nvidia.com/gpu": 1}

PLATFORM: dict[str, Any] = {
    "proxy_location": "EveryNode",
    "http_options": {"host": "0.0.0.0", "port": 8000},
    "applications": [
        {
            "name": "headrace",
            "route_prefix": "/",
            "import_path": "serve_app.app:build_app",
            "args": {
                "models": [
                    {
                        "name": "minilm",
                        "pools": [
                            {
                                "name": "gpu",
                                "device": "gpu",
                                "num_gpus": 0.5,
                                "num_cpus": 1,
                                "start": "always",
                                "autoscaling": {"min_replicas": 1, "max_replicas": 8},
                            }
                        ],
                    }
                ],
                "router": {"num_replicas": 2, "num_cpus": 1},
            },
        }
    ],
}


def group(name: str, min_nodes: int, max_nodes: int, gpus: bool = False, **more: Any) -> dict[str, Any]:
    """A worker group of nodes with 8 CPUs."""
    resources = {"limits": {"memory": "31Gi", **(GPU if gpus else {})}, "requests": {"cpu": "7500m"}}
    container = {"name": "ray-worker", "image": "headrace:1", "resources": resources}
    return {
        "groupName": name,
        "replicas": min_nodes,
        "minReplicas": min_nodes,
        "maxReplicas": max_nodes,
        "rayStartParams": {},
        "scaleStrategy": {},
        "template": {"metadata": {"labels": {}}, "spec": {"containers": [container], "tolerations": []}},
        **more,
    }


def service(**changes: Any) -> dict[str, Any]:
    """A RayService with a CPU and a GPU group."""
    head = {"name": "ray-head", "image": "headrace:1"}
    spec = {
        "serveConfigV2": yaml.safe_dump(PLATFORM),
        "upgradeStrategy": {"type": "NewCluster"},
        "rayClusterConfig": {
            "rayVersion": "2.60.0",
            "enableInTreeAutoscaling": True,
            "headGroupSpec": {"rayStartParams": {"num-cpus": "0"}, "template": {"spec": {"containers": [head]}}},
            "workerGroupSpecs": [group("cpu", 1, 2), group("gpu", 1, 4, gpus=True)],
        },
    }
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"name": "headrace", "namespace": "serving"},
        "spec": {**spec, **changes},
    }


def changed(manifest: dict[str, Any], *path: str | int, value: Any) -> dict[str, Any]:
    """A copy with one field changed; None: taken out."""
    copy = deepcopy(manifest)
    place: Any = copy
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return copy


def with_platform(manifest: dict[str, Any], *path: str | int, value: Any) -> dict[str, Any]:
    """A copy with one field of its Serve config changed."""
    return changed(manifest, "spec", "serveConfigV2", value=yaml.safe_dump(changed(PLATFORM, *path, value=value)))
