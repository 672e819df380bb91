"""The rendered `serveConfigV2` is what Serve takes, and the same as what runs on one machine."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ray.serve.schema import ServeDeploySchema

from kuberay.platform_file import read_platform
from kuberay.render.rayservice import rayservice
from kuberay.settings import load_cluster_settings

PROFILES = sorted((Path(__file__).parents[2] / "deploy").glob("*/cluster.yaml"))


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.parent.name)
def test_serve_takes_it_as_it_takes_the_platform_s_file(path: Path) -> None:
    settings = load_cluster_settings(path)
    rendered = rayservice(settings, read_platform(settings, path.parent))["spec"]["serveConfigV2"]
    here = (path.parent / settings.platform).read_text()
    assert ServeDeploySchema(**yaml.safe_load(rendered)) == ServeDeploySchema(**yaml.safe_load(here))
