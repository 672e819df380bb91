"""The platform's own settings where a Serve config carries them."""

from __future__ import annotations

from collections.abc import Mapping
from weakref import WeakKeyDictionary

from pydantic import ValidationError

from kuberay.lint.document import Document
from kuberay.lint.place import Place
from kuberay.platform_file import IMPORT_PATH
from kuberay.workload import GPU
from serve_app.settings import Pool, Settings

_settings: WeakKeyDictionary[Document, Settings | ValidationError | None] = WeakKeyDictionary()


def arguments_of(document: Document) -> Place:
    """The platform's settings as they are written; a place with nothing where there are none.

    A document whose application names a file of settings has none either: they are not in it.
    """
    if document.form == "platform":
        return document.root
    for app in document.applications:
        if app.at("import_path").value == IMPORT_PATH and "settings_file" not in app.at("args").entries:
            return app.at("args") if app.at("args").given else Place({}, app.at("args").path)
    return Place(None)


def settings_file_of(document: Document) -> Place:
    """The file that the platform's application has its settings in; a place with nothing where it has them itself."""
    for app in document.applications:
        named = app.at("args", "settings_file")
        if app.at("import_path").value == IMPORT_PATH and named.given:
            return named
    return Place(None)


def read_platform(document: Document) -> Settings | ValidationError | None:
    """The settings, or what is wrong with them; None: the document has none."""
    if document not in _settings:
        _settings[document] = _read(arguments_of(document))
    return _settings[document]


def _read(arguments: Place) -> Settings | ValidationError | None:
    if not arguments.given:
        return None
    try:
        return Settings.model_validate(arguments.value)
    except ValidationError as error:
        return error


def platform_of(document: Document) -> Settings | None:
    """The settings, if there are any and they can be used."""
    settings = read_platform(document)
    return settings if isinstance(settings, Settings) else None


def longest_request_s(document: Document, node: Mapping[str, float] | None = None) -> float:
    """What a request may take, seconds: the slowest SLO, or where Serve ends it; 0 where the document says neither.

    Args:
        node: Resources of a node, by Ray's names: pools that ask for another are not on it; None: every pool counts.
    """
    settings = platform_of(document)
    pools = [pool for model in settings.models for pool in model.pools] if settings is not None else []
    slos = [pool.autoscaling.slo_s for pool in pools if pool.autoscaling is not None and _is_on(pool, node)]
    return max([document.serve.at("http_options", "request_timeout_s").number or 0.0, *slos])


def _is_on(pool: Pool, node: Mapping[str, float] | None) -> bool:
    asked = {*pool.resources, *([GPU] if pool.device == "gpu" else [])}
    return node is None or all(node.get(name) for name in asked)
