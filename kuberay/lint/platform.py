"""The platform's own settings where a Serve config carries them."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from pydantic import ValidationError

from kuberay.lint.document import Document
from kuberay.lint.place import Place
from serve_app.settings import Settings

IMPORT_PATH = "serve_app.app:build_app"

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


def slowest_slo_s(settings: Settings) -> float | None:
    """Time in which the slowest of the models is to answer, seconds."""
    slos = [pool.autoscaling.slo_s for model in settings.models for pool in model.pools if pool.autoscaling is not None]
    return max(slos, default=None)
