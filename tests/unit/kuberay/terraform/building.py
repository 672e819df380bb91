"""The EKS profile with changes, and what is made of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kuberay.settings import ClusterSettings, load_cluster_settings
from kuberay.terraform.infrastructure import render

PROFILE = Path(__file__).parents[4] / "deploy" / "eks-cpu-gpu-spot"


def profile(**changes: Any) -> ClusterSettings:
    settings = load_cluster_settings(PROFILE / "cluster.yaml")
    return ClusterSettings.model_validate({**settings.model_dump(), **changes})


def documents(settings: ClusterSettings) -> dict[str, Any]:
    return {name: json.loads(text) for name, text in render(settings).items()}


def resources(settings: ClusterSettings) -> dict[str, dict[str, Any]]:
    """Type to name to resource, of all files; one that two files define is an error in Terraform."""
    found: dict[str, dict[str, Any]] = {}
    for document in documents(settings).values():
        for kind, named in document.get("resource", {}).items():
            for name, resource in named.items():
                assert name not in found.setdefault(kind, {}), f"{kind}.{name} twice"
                found[kind][name] = resource
    return found
