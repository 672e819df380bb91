"""What the workload says is what the composition root binds: by Ray's own account. Nothing runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from ray.serve._private.build_app import build_app as build_serve_app

from kuberay.workload import workload
from serve_app import app
from serve_app.settings import load_settings

DEPLOY = Path(__file__).parents[2] / "deploy"
PLATFORMS = [*sorted(DEPLOY.glob("*/platform.yaml")), DEPLOY / "local.yaml"]


@pytest.mark.parametrize("path", PLATFORMS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_deployments_are_those_that_are_bound(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "_cluster_has_gpu", lambda: True)
    settings = load_settings(path, environ={})
    bound = build_serve_app(app.build_app(settings.model_dump()), name="test").deployments
    asked = {one.name: one for one in workload(settings).deployments}
    assert {one.name for one in bound} == asked.keys()
    for one in bound:
        resources = dict(one._replica_config.resource_dict)
        assert {name: amount for name, amount in resources.items() if amount} == asked[one.name].resources
        scaling = one._deployment_config.autoscaling_config
        fixed = one._deployment_config.num_replicas
        bounds = (scaling.min_replicas, scaling.max_replicas) if scaling else (fixed, fixed)
        assert bounds == (asked[one.name].min_replicas, asked[one.name].max_replicas)
