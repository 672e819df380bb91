"""From a cluster file to manifests: it and the platform's file are read, and rendered."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from kuberay.platform_file import read_platform
from kuberay.render.errors import RenderError
from kuberay.render.manifests import Manifest, ManifestFile, manifests_in, render
from kuberay.settings import ClusterSettings, SettingsError, load_cluster_settings
from serve_app.settings import SettingsError as PlatformError


class Rendered(NamedTuple):
    """Cluster settings and the files that they give."""

    settings: ClusterSettings
    files: tuple[ManifestFile, ...]

    @property
    def manifests(self) -> tuple[Manifest, ...]:
        """Of all files, in the order in which they are applied."""
        return manifests_in(self.files)


def render_file(path: Path) -> Rendered:
    """Render a cluster file.

    Raises:
        SettingsError: It, or the platform's file, cannot be read or used, or they give no cluster that works.
    """
    settings = load_cluster_settings(path)
    try:
        return Rendered(settings, render(settings, read_platform(settings, path.parent)))
    except PlatformError as error:
        raise SettingsError(str(error)) from error
    except RenderError as error:
        raise SettingsError(f"{path}: {error}") from error
