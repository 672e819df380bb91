"""What the launcher must know of a Serve config file before Serve reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from serve_app.settings import Settings, SettingsError, load_settings

# Serve's own defaults.
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8000


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """One Serve config file.

    Attributes:
        host: Address that was asked for; in the fast form Serve listens on all of them whatever it says.
        port: HTTP port.
        root: Path below which the platform lives, "" for all.
        settings: The platform's settings inside it.
        has_request_timeout: Whether Serve is to end requests after a time of its own.
    """

    path: Path
    host: str
    port: int
    root: str
    settings: Settings
    has_request_timeout: bool = False

    @property
    def url(self) -> str:
        """Where the platform is reached from this machine."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "", "::") else self.host
        return f"http://{host}:{self.port}{self.root}"


def read_serve_config(path: Path, environ: Mapping[str, str] | None = None) -> ServeConfig:
    """Read a Serve config file, settings included.

    Args:
        environ: See `settings.load_settings`.

    Raises:
        SettingsError: It cannot be read, is no Serve config, or its settings cannot be used.
    """
    settings = load_settings(path, environ)
    data = yaml.safe_load(path.read_text())
    applications = data.get("applications")
    if not isinstance(applications, list) or not applications:
        raise SettingsError(
            f"{path}: is no Serve config, it has no applications; see deploy/local.yaml, "
            "where a settings file goes as args: {settings_file: ...}"
        )
    http = data.get("http_options") or {}
    if not isinstance(http, dict):
        raise SettingsError(f"{path}: http_options must be a mapping of options")
    port = http.get("port", DEFAULT_PORT)
    if not isinstance(port, int) or not 0 < port < 65536:
        raise SettingsError(f"{path}: http_options.port must be a number from 1 to 65535, got {port!r}")
    return ServeConfig(
        path,
        str(http.get("host") or DEFAULT_HOST),
        port,
        _root(applications[0]),
        settings,
        has_request_timeout=bool(http.get("request_timeout_s")),
    )


def _root(application: dict[str, Any]) -> str:
    return str(application.get("route_prefix") or "/").rstrip("/")
