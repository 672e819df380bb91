"""The slow half of `headrace check`: every file that the settings' models are made of is read and compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from models.errors import HeadraceError
from models.manifest import Manifest
from models.samples import warm_up_inputs
from serve_app.command.checks import Finding
from serve_app.selection import select_models
from serve_app.settings import Settings, SettingsError


def check_files(settings: Settings) -> list[Finding]:
    """Fetch each version's files, compare their contents with the manifest, and try what is made of them.

    Settings that name what does not exist have no finding here: `check_settings` tells of them.
    """
    try:
        models = select_models(settings)
    except SettingsError:
        return []
    findings: list[Finding] = []
    for model in models:
        for version, source in model.sources.items():
            path = f"{model.name}/{version}"
            try:
                files = source.fetch()
            except HeadraceError as error:
                findings.append(Finding("file", "error", path, str(error)))
                continue
            findings += _check_labels(path, source.manifest, files)
            try:
                warm_up_inputs(source.manifest, files)
            except HeadraceError as error:
                findings.append(Finding("sample", "error", path, str(error)))
    return findings


def _check_labels(path: str, manifest: Manifest, files: Mapping[str, Path]) -> Iterator[Finding]:
    """A class without a name would be answered by its number alone; one too many has shifted all after it."""
    for tensor in manifest.outputs:
        if tensor.labels is None or tensor.shape[-1] == -1:
            continue
        num_names = len(files[tensor.labels].read_text("utf-8", errors="replace").splitlines())
        if num_names != tensor.shape[-1]:
            message = f"'{tensor.labels}' names {num_names} classes, output '{tensor.name}' has {tensor.shape[-1]}"
            yield Finding("labels", "error", path, message)
