"""A document to be looked at: its content, its form, and the lines of its values."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from kuberay.lint.place import Path, Place
from kuberay.lint.yaml_text import Parsed, as_settings, parse
from serve_app.settings import Settings

Form = Literal["kubernetes", "cluster", "serve", "platform", "unknown", "broken"]
"""kubernetes: a manifest. cluster: `cluster.yaml`. serve: a Serve config file. platform: the platform's settings."""


OF_SETTINGS: tuple[Form, ...] = ("cluster", "serve", "platform")
"""The forms that no API server reads."""

# Several keys of each, so that one that is misspelt does not make a file unknown.
OF_SERVE = {"applications", "http_options", "grpc_options", "proxy_location"}
OF_CLUSTER = {"platform", "provider", "images", "groups", "head", "ray_version", "kuberay_version"}


@dataclass(frozen=True, eq=False)
class Document:
    """One document of a file.

    Attributes:
        error: Why it cannot be read; `root` is then empty.
        repeated: Keys that stand twice in one mapping.
        platform: Of cluster settings: the Serve config that they name; None: it cannot be read.
        rendered: Of cluster settings: the manifests that they give.
        refusal: Of cluster settings: why they give none; None: they do, or lint says why they cannot be used at all.
    """

    file: str
    root: Place
    error: str | None = None
    repeated: tuple[Path, ...] = ()
    platform: Document | None = None
    rendered: tuple[Document, ...] = ()
    refusal: str | None = None
    _parsed: Parsed = field(default_factory=lambda: Parsed(1))

    @cached_property
    def form(self) -> Form:
        """What it is, by what it holds."""
        if self.error is not None:
            return "broken"
        keys = set(self.root.entries)
        if {"apiVersion", "kind"} <= keys or (keys & {"apiVersion", "kind"} and keys & {"metadata", "spec"}):
            return "kubernetes"
        if keys & OF_SERVE:
            return "serve"
        if len(keys & OF_CLUSTER) > 1:
            return "cluster"
        if "models" in keys and keys & set(Settings.model_fields):
            return "platform"
        return "unknown"

    @property
    def kind(self) -> str | None:
        """Of a manifest."""
        return self.root.at("kind").text if self.form == "kubernetes" else None

    @property
    def is_ray(self) -> bool:
        """Whether it is one of KubeRay's."""
        return (self.root.at("apiVersion").text or "").startswith("ray.io/") and self.kind is not None

    @cached_property
    def inner(self) -> Parsed | None:
        """The Serve config inside a RayService; None where there is none."""
        text = self.root.at("spec", "serveConfigV2").text if self.kind == "RayService" else None
        if text is None:
            return None
        documents = parse(text)
        return documents[0] if documents else None

    @cached_property
    def serve(self) -> Place:
        """The Serve config that it is, or has inside; a place with nothing where there is none."""
        if self.form == "serve":
            return self.root
        path = (*self.root.path, "spec", "serveConfigV2")
        return Place(self.inner.value if self.inner is not None else None, path)

    @property
    def applications(self) -> list[Place]:
        """Those of the Serve config."""
        return self.serve.at("applications").items

    @property
    def deployments(self) -> list[Place]:
        """Those whose options the Serve config writes."""
        return [deployment for app in self.applications for deployment in app.at("deployments").items]

    def line(self, path: Path) -> int:
        """Line of the value, or of the nearest above it that has one."""
        block = (*self.root.path, "spec", "serveConfigV2")
        if self.inner is not None and path[: len(block)] == block and block in self._parsed.blocks:
            return self._parsed.blocks[block] - 1 + _nearest(self.inner, path[len(block) :])
        return _nearest(self._parsed, path)


def _nearest(parsed: Parsed, path: Path) -> int:
    for end in range(len(path), -1, -1):
        if path[:end] in parsed.lines:
            return parsed.lines[path[:end]]
    return parsed.line


def read_documents(text: str, file: str) -> list[Document]:
    """The documents of a file's text; a `List` of manifests counts as its items."""
    return [document for parsed in parse(text) for document in _documents(parsed, file)]


def _documents(parsed: Parsed, file: str) -> list[Document]:
    root = Place(parsed.value)
    items = root.at("items")
    if (root.at("kind").text or "").endswith("List") and isinstance(items.value, list):
        return [_document(place, parsed, file) for place in items.items]
    document = _document(root, parsed, file)
    if document.form in OF_SETTINGS:
        parsed = as_settings(parsed)
        document = _document(Place(parsed.value), parsed, file)
    return [document]


def _document(place: Place, parsed: Parsed, file: str) -> Document:
    repeated = tuple(path for path in parsed.repeated if path[: len(place.path)] == place.path)
    return Document(file, place, parsed.error, repeated, _parsed=parsed)
