"""Cluster settings as lint reads them: what loads, and what does not, key by key."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from pydantic import ValidationError

from kuberay.lint.document import Document
from kuberay.lint.platform import platform_of
from kuberay.settings import ClusterSettings, NodeGroup
from serve_app.settings import Settings

_settings: WeakKeyDictionary[Document, ClusterSettings | ValidationError | None] = WeakKeyDictionary()


def read_cluster(document: Document) -> ClusterSettings | ValidationError | None:
    """The settings, or what is wrong with them; None: the document is none."""
    if document not in _settings:
        _settings[document] = _read(document)
    return _settings[document]


def _read(document: Document) -> ClusterSettings | ValidationError | None:
    if document.form != "cluster":
        return None
    try:
        return ClusterSettings.model_validate(document.root.value)
    except ValidationError as error:
        return error


def settings_of(document: Document) -> ClusterSettings | None:
    """The settings, if the document has some and they can be used."""
    settings = read_cluster(document)
    return settings if isinstance(settings, ClusterSettings) else None


def both_of(document: Document) -> tuple[ClusterSettings, Settings] | None:
    """Cluster settings and the platform's, where both can be used."""
    settings = settings_of(document)
    platform = platform_of(document.platform) if document.platform is not None else None
    return (settings, platform) if settings is not None and platform is not None else None


def groups_of(document: Document) -> list[tuple[int, NodeGroup]]:
    """The node groups and their positions; none where the settings cannot be used."""
    settings = settings_of(document)
    return list(enumerate(settings.groups)) if settings is not None else []
