"""Cluster settings as lint reads them: what loads, and what does not, key by key."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from pydantic import ValidationError

from kuberay.lint.document import Document
from kuberay.settings import ClusterSettings

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
