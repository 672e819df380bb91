"""What stands before any meaning: the text of a file."""

from __future__ import annotations

from collections.abc import Iterator

from kuberay.lint.bundle import Bundle
from kuberay.lint.document import Document
from kuberay.lint.finding import Problem, Rule
from kuberay.lint.place import Place, written
from kuberay.lint.version import said


def _broken(document: Document, bundle: Bundle) -> Iterator[Problem]:
    if document.error is not None:
        yield Problem(document.root, f"it cannot be read: {document.error}")


def _repeated(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for path in document.repeated:
        yield Problem(Place(None, path), f"{written(path[-1:])} stands twice here, and the last one wins")
    if document.inner is not None:
        for path in document.inner.repeated:
            place = Place(None, (*document.serve.path, *path))
            yield Problem(place, f"{written(path[-1:])} stands twice here, and the last one wins")


def _unknown(document: Document, bundle: Bundle) -> Iterator[Problem]:
    if document.form == "unknown" and not document.root.given:
        yield Problem(document.root, "there is nothing in it")
    elif document.form == "unknown":
        yield Problem(document.root, "it is no manifest (apiVersion and kind), Serve config (applications) or settings")


def _incomplete(document: Document, bundle: Bundle) -> Iterator[Problem]:
    if document.form != "kubernetes":
        return
    for key in ("apiVersion", "kind"):
        if document.root.at(key).text is None:
            yield Problem(document.root.at(key), f"the manifest has no {key}", f"add {key}")
    metadata = document.root.at("metadata")
    # Some files of tools (kustomize, kind) have the form of manifests and no metadata at all.
    if not metadata.given and not document.is_ray:
        return
    if metadata.at("name").text is None and metadata.at("generateName").text is None:
        yield Problem(metadata.at("name"), "the manifest has no metadata.name", "add metadata.name")


def _version(document: Document, bundle: Bundle) -> Iterator[Problem]:
    version = document.root.at("apiVersion")
    if not document.is_ray or version.text == "ray.io/v1":
        return
    if version.text == "ray.io/v1alpha1":
        gone = bundle.kuberay >= (1, 9)
        sentence = f"v1alpha1 is {'gone' if gone else 'deprecated'} in KubeRay {said(bundle.kuberay)}"
        yield Problem(version, sentence)
    else:
        yield Problem(version, f"KubeRay has no version {version.text}")


RULES = (
    Rule(
        "yaml-syntax",
        "error",
        "A document that is not YAML is not applied, and those after it in the file neither.",
        "correct the text at this line",
        _broken,
    ),
    Rule(
        "duplicate-key",
        "error",
        "Of a key that stands twice in one mapping the first value is dropped without a word.",
        "remove one of the two",
        _repeated,
    ),
    Rule(
        "unknown-document",
        "warning",
        "A file that nothing reads is checked by nobody.",
        "give lint manifests, Serve config files or cluster settings",
        _unknown,
    ),
    Rule(
        "incomplete-manifest",
        "error",
        "The API server takes no object without apiVersion, kind and a name.",
        "add what is missing",
        _incomplete,
    ),
    Rule(
        "api-version",
        "error",
        "ray.io/v1 is what KubeRay stores; v1alpha1 is deprecated since 1.7 and gone in 1.9.",
        "write apiVersion: ray.io/v1",
        _version,
    ),
)
