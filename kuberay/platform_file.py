"""The Serve config file that a cluster runs: the very one that runs on one machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kuberay.settings import ClusterSettings
from serve_app.launch.serve_config import ServeConfig, read_serve_config
from serve_app.settings import SettingsError

IMPORT_PATH = "serve_app.app:build_app"
"""Of the platform's application."""


@dataclass(frozen=True, slots=True)
class Platform:
    """What is served.

    Attributes:
        data: The Serve config file's content.
        config: What of it must be known: port, root, the platform's settings.
        on_every_node: Whether every node with a replica takes requests; else the head alone does.
    """

    data: Mapping[str, Any]
    config: ServeConfig
    on_every_node: bool


def read_platform(settings: ClusterSettings, folder: Path) -> Platform:
    """Read the Serve config file that cluster settings name.

    This process's `HEADRACE_` variables are left out: pods do not have them.

    Args:
        folder: Of the cluster file, from which the name goes out.

    Raises:
        SettingsError: It cannot be read or used, or it works on one machine only.
    """
    path = folder / settings.platform
    config = read_serve_config(path, environ={})
    data = yaml.safe_load(path.read_text())
    arguments = data["applications"][0].get("args") or {}
    if "settings_file" in arguments:
        raise SettingsError(f"{path}: pods have no settings_file; write the settings in its place, under args")
    location = data.get("proxy_location", "EveryNode")
    if location == "Disabled":
        raise SettingsError(f"{path}: with proxy_location Disabled no pod takes requests; use EveryNode")
    return Platform(data, config, location == "EveryNode")
