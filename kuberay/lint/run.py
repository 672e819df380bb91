"""Read files and folders, ask every rule about every document, and put what they find in order."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from kuberay.lint.bundle import KUBERAY, Bundle
from kuberay.lint.cluster import settings_of
from kuberay.lint.document import Document, read_documents
from kuberay.lint.finding import Finding
from kuberay.lint.place import Place, written
from kuberay.lint.rulebook import RULES
from kuberay.lint.version import Version, parse_version

SUFFIXES = (".yaml", ".yml")


def lint(paths: Iterable[Path], kuberay: Version | None = None) -> list[Finding]:
    """Find what is wrong in files, and in all YAML files of folders.

    Args:
        kuberay: The operator that they are for; None: as cluster settings among them say, or the newest that is known.
    """
    documents = [document for file in _files(paths) for document in _read(file)]
    read = {document.file for document in documents}
    companions = [document.platform for document in documents if document.platform is not None]
    documents += [companion for companion in companions if companion.file not in read]
    return find(documents, kuberay)


def find(documents: Iterable[Document], kuberay: Version | None = None) -> list[Finding]:
    """Ask every rule about every document; in the order of files and lines."""
    documents = tuple(dict.fromkeys(documents))
    bundle = Bundle(documents, kuberay or _told(documents) or KUBERAY)
    found = set()
    for document in documents:
        for rule in RULES:
            for problem in rule.check(document, bundle):
                place = problem.place.path
                fix = problem.fix or rule.fix
                line = document.line(place)
                path = written(place)
                found.add(Finding(document.file, line, path, rule.id, rule.severity, problem.sentence, fix))
    return sorted(found)


def _told(documents: Iterable[Document]) -> Version | None:
    for document in documents:
        settings = settings_of(document)
        if settings is not None:
            return parse_version(settings.kuberay_version)
    return None


def _files(paths: Iterable[Path]) -> Iterable[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())
        else:
            yield path


def _read(file: Path) -> list[Document]:
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        return [Document(str(file), Place(None), error=reason)]
    return [_with_platform(document, file.parent) for document in read_documents(text, str(file))]


def _with_platform(document: Document, folder: Path) -> Document:
    """Cluster settings together with the platform that they name."""
    named = document.root.at("platform").text if document.form == "cluster" else None
    if named is None or not (folder / named).is_file():
        return document
    documents = _read(folder / named)
    return dataclasses.replace(document, platform=documents[0]) if documents else document
