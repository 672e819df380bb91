"""What cluster settings give, looked at like any other manifests."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from kuberay.lint.cluster import settings_of
from kuberay.lint.document import Document, read_documents
from kuberay.lint.platform import platform_of, settings_file_of
from kuberay.platform_file import read_platform
from kuberay.render.errors import RenderError
from kuberay.render.manifests import render
from serve_app.settings import SettingsError

DASHBOARDS = "70-"
"""How names of files begin that no rule reads, a hundred times as long as the rest."""


def with_rendered(document: Document, folder: Path) -> Document:
    """Cluster settings with the manifests that they give, or why they give none; other documents as they are.

    Args:
        folder: Of the settings' file.
    """
    settings = settings_of(document)
    if settings is None or document.platform is None:
        return document
    # Of a platform that cannot be used the findings are its file's own.
    if platform_of(document.platform) is None and not settings_file_of(document.platform).given:
        return document
    try:
        files = render(settings, read_platform(settings, folder))
    except (RenderError, SettingsError) as error:
        return dataclasses.replace(document, refusal=str(error))
    given = (
        manifest
        for file in files
        if not file.name.startswith(DASHBOARDS)
        for manifest in read_documents(file.text, f"{document.file} -> {file.name}")
    )
    return dataclasses.replace(document, rendered=tuple(given))
