"""Cluster settings in the place of manifests: they are rendered on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from kuberay.cluster.errors import NotDone
from kuberay.render.cluster_file import render_file
from kuberay.settings import SettingsError


def is_settings(path: Path) -> bool:
    """Whether a file holds cluster settings: one mapping that is no object of Kubernetes."""
    if path.is_dir():
        return False
    try:
        data = list(yaml.safe_load_all(path.read_text()))
    except (OSError, ValueError, yaml.YAMLError):
        return False  # whoever reads it next says what is wrong with it
    return len(data) == 1 and isinstance(data[0], dict) and "kind" not in data[0]


def rendered(path: Path) -> list[dict[str, Any]]:
    """Manifests of cluster settings.

    Raises:
        NotDone: They give no cluster.
    """
    try:
        return [*render_file(path).manifests]
    except SettingsError as error:
        raise NotDone(str(error)) from error
