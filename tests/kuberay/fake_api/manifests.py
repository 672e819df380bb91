"""RayServices to try the fake server with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from tests.kuberay.fake_api.errors import Object


def serve_config(*apps: str, **options: Any) -> str:
    """A `serveConfigV2` of applications with one deployment each; options go into every deployment."""
    listed = [
        {"name": app, "route_prefix": f"/{app}", "import_path": "m:app", "deployments": [{"name": "Model", **options}]}
        for app in apps
    ]
    text: str = yaml.safe_dump({"applications": listed}, sort_keys=False)
    return text


def template(image: str) -> Object:
    """A pod template with one Ray container."""
    container = {"name": "ray", "image": image, "resources": {"limits": {"cpu": "1", "memory": "2Gi"}}}
    return {"metadata": {"labels": {"app.kubernetes.io/part-of": "headrace"}}, "spec": {"containers": [container]}}


def worker_group(name: str, image: str = "ray:1", replicas: int = 1, **fields: Any) -> Object:
    """A worker group with all that the operator would otherwise add."""
    bounds = {"replicas": replicas, "minReplicas": 0, "maxReplicas": 4}
    return {"groupName": name, **bounds, "scaleStrategy": {}, "template": template(image), **fields}


def ray_service(
    name: str = "svc",
    image: str = "ray:1",
    config: str | None = None,
    groups: Sequence[Object] | None = None,
    **spec: Any,
) -> Object:
    """A RayService; more fields of its spec by keyword."""
    head = {"rayStartParams": {"num-cpus": "0"}, "template": template(image)}
    workers = [worker_group("cpu", image)] if groups is None else [*groups]
    cluster = {"rayVersion": "2.60.0", "headGroupSpec": head, "workerGroupSpecs": workers}
    served = serve_config("app") if config is None else config
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"name": name},
        "spec": {"serveConfigV2": served, "rayClusterConfig": cluster, **spec},
    }
