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
from kuberay.lint.rendering import with_rendered
from kuberay.lint.rulebook import RULES
from kuberay.lint.rules import draining, fit
from kuberay.lint.version import Version, parse_version

SUFFIXES = (".yaml", ".yml")

OF_SETTINGS_TOO = (*draining.OF_SETTINGS, *fit.OF_SETTINGS)
"""Rules to which cluster settings are held in their own words: manifests that they give say nothing new by them."""


def lint(paths: Iterable[Path], kuberay: Version | None = None) -> list[Finding]:
    """Find what is wrong in files, and in all YAML files of folders.

    Args:
        kuberay: The operator that they are for; None: as the cluster settings beside them say, or the newest known.
    """
    found: set[Finding] = set()
    for documents in _together(paths):
        read = {document.file for document in documents}
        companions = [document.platform for document in documents if document.platform is not None]
        documents += [companion for companion in companions if companion.file not in read]
        here = find(documents, kuberay)
        found.update(here, _found_in_rendered(documents, here, kuberay))
    return sorted(found)


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


def _found_in_rendered(
    documents: list[Document], told: Iterable[Finding], kuberay: Version | None
) -> Iterable[Finding]:
    """What is wrong in what settings give, and was not told of them or of manifests beside them."""
    said = {(finding.rule, finding.sentence) for finding in told}
    there = [document.root.value for document in documents]
    for settings in documents:
        if all(manifest.root.value in there for manifest in settings.rendered):
            continue
        for finding in find(settings.rendered, kuberay or _told([settings])):
            if finding.rule not in OF_SETTINGS_TOO and (finding.rule, finding.sentence) not in said:
                yield finding


def _told(documents: Iterable[Document]) -> Version | None:
    for document in documents:
        settings = settings_of(document)
        if settings is not None:
            return parse_version(settings.kuberay_version)
    return None


def _together(paths: Iterable[Path]) -> list[list[Document]]:
    """Documents that may refer to each other.

    Those below the folder of cluster settings (the nearest), else of one folder that was named, else of the files.
    """
    named = [
        (path if path.is_dir() else None, document)
        for path in paths
        for file in _files(path)
        for document in _read(file)
    ]
    homes = {Path(document.file).absolute().parent for _, document in named if document.form == "cluster"}
    groups: dict[Path | None, list[Document]] = {}
    for folder, document in named:
        above = Path(document.file).absolute().parents
        home = next((parent for parent in above if parent in homes), folder)
        groups.setdefault(home, []).append(document)
    return list(groups.values())


def _files(path: Path) -> list[Path]:
    """A file, or those of a folder; the folder itself where it has none, for then nothing of it is looked at."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file()) or [path]


def _read(file: Path) -> list[Document]:
    """Its documents, cluster settings with all that they name and give."""
    return [with_rendered(_with_platform(document, file.parent), file.parent) for document in _documents(file)]


def _documents(file: Path) -> list[Document]:
    """Its documents; where there are none, one that is empty."""
    try:
        documents = read_documents("" if file.is_dir() else file.read_text(), str(file))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        return [Document(str(file), Place(None), error=reason)]
    return documents or [Document(str(file), Place(None))]


def _with_platform(document: Document, folder: Path) -> Document:
    """Cluster settings together with the platform that they name."""
    named = document.root.at("platform").text if document.form == "cluster" else None
    if named is None or not (folder / named).is_file():
        return document
    return dataclasses.replace(document, platform=_documents(folder / named)[0])
