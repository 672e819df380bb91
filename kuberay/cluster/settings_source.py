"""Cluster settings in the place of manifests: they are rendered on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from kuberay.cluster.errors import NotDone
from kuberay.platform_file import read_platform
from kuberay.render.errors import RenderError
from kuberay.render.manifests import manifests_of
from kuberay.settings import SettingsError, load_cluster_settings
from serve_app.settings import SettingsError as PlatformError


def is_settings(path: Path) -> bool:
    """Whether a file holds cluster settings: one mapping that is no object of Kubernetes."""
    if path.is_dir():
        return False
    try:
        data = list(yaml.safe_load_all(path.read_text()))
    except (OSError, yaml.YAMLError, UnicodeDecodeError):
        return False  # whoever reads it next says what is wrong with it
    return len(data) == 1 and isinstance(data[0], dict) and "kind" not in data[0]


def rendered(path: Path) -> list[dict[str, Any]]:
    """Manifests of cluster settings.

    Raises:
        NotDone: They give no cluster.
    """
    try:
        settings = load_cluster_settings(path)
        return [*manifests_of(settings, read_platform(settings, path.parent))]
    except (SettingsError, PlatformError) as error:
        raise NotDone(str(error)) from error
    except RenderError as error:
        raise NotDone(f"{path}: {error}") from error
