"""Manifests to be applied: read from files, put in order, marked as ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

from kuberay.cluster.errors import NotDone
from kuberay.lint.yaml_text import parse

Object = dict[str, Any]

INSTANCE = "app.kubernetes.io/instance"
PART_OF = "app.kubernetes.io/part-of"
OURS = "headrace"

# What others refer to goes first, and the service last: all that its pods ask for is there when they start.
_ORDER = (
    "Namespace",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "Secret",
    "ConfigMap",
    "PersistentVolumeClaim",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "Service",
    "StatefulSet",
    "Deployment",
)


class Manifests(NamedTuple):
    """Everything that makes one service.

    Attributes:
        items: In the order in which they are applied.
    """

    items: tuple[Object, ...]

    @property
    def service(self) -> Object:
        """The RayService."""
        return next(item for item in self.items if item["kind"] == "RayService")

    @property
    def name(self) -> str:
        """The service's name."""
        name: str = self.service["metadata"]["name"]
        return name

    @property
    def namespace(self) -> str:
        """The service's namespace."""
        namespace: str = self.service["metadata"]["namespace"]
        return namespace


class Reference(NamedTuple):
    """Which object."""

    api_version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def reference(item: Mapping[str, Any]) -> Reference:
    """Which object a manifest is."""
    metadata = item["metadata"]
    return Reference(item["apiVersion"], item["kind"], metadata.get("namespace") or "", metadata["name"])


def selector(name: str) -> str:
    """Labels of everything that was applied for a service."""
    return f"{PART_OF}={OURS},{INSTANCE}={name}"


def is_ours(item: Mapping[str, Any], name: str) -> bool:
    """Whether an object carries these labels."""
    labels = item["metadata"].get("labels") or {}
    return bool(labels.get(PART_OF) == OURS and labels.get(INSTANCE) == name)


def read_documents(path: Path) -> list[Object]:
    """All documents of a file, or of a folder's YAML files in the order of their names.

    They are read as the API server reads YAML, to which dates are text.

    Raises:
        NotDone: Nothing can be read there, or a document is no object of Kubernetes.
    """
    files = sorted((*path.glob("*.yaml"), *path.glob("*.yml"))) if path.is_dir() else [path]
    if not files:
        raise NotDone(f"{path}: holds no .yaml file")
    documents: list[Object] = []
    errors: list[str] = []
    for file in files:
        try:
            documents += _documents_of(file)
        except NotDone as error:
            errors += error.args
    if errors:
        raise NotDone(*errors)
    return documents


def _documents_of(file: Path) -> list[Object]:
    try:
        parsed = parse(file.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise NotDone(f"{file}: {error}") from error
    if errors := [f"{file}:{document.line}: {document.error}" for document in parsed if document.error is not None]:
        raise NotDone(*errors)
    return [one for document in parsed for one in _objects(f"{file}:{document.line}", document.value)]


def _objects(where: str, document: Any) -> list[Object]:
    """A document's objects: none, one, or those of a List."""
    if document is None:
        return []
    if isinstance(document, dict) and document.get("kind") == "List":
        return [one for item in document.get("items") or () for one in _objects(where, item)]
    is_object = isinstance(document, dict) and all(isinstance(document.get(key), str) for key in ("apiVersion", "kind"))
    metadata = document.get("metadata") if is_object else None
    if not isinstance(metadata, dict) or not metadata.get("name"):
        raise NotDone(f"{where}: a document has no apiVersion, kind or metadata.name: it is no manifest")
    return [document]


def arrange(
    documents: Iterable[Mapping[str, Any]], namespace: str | None, cluster_kinds: frozenset[str], fallback: str
) -> Manifests:
    """Put manifests in order, into their namespace, and mark them as ours.

    Args:
        documents: The manifests.
        namespace: The one that was chosen, with which all must agree; None: none was.
        cluster_kinds: Kinds that lie in no namespace.
        fallback: Namespace of those that name none, where none was chosen.

    Raises:
        NotDone: There is not exactly one RayService, namespaces do not agree, or one object comes twice.
    """
    items = [deepcopy(dict(document)) for document in documents]
    services = [item["metadata"]["name"] for item in items if item["kind"] == "RayService"]
    if len(services) != 1:
        raise NotDone(f"there must be one RayService among the manifests, and there are {len(services)}: {services}")
    for item in items:
        metadata = item["metadata"]
        if item["kind"] not in cluster_kinds:
            _place(item, namespace, fallback)
        labels = metadata.setdefault("labels", {}) or {}
        metadata["labels"] = labels | {INSTANCE: services[0], PART_OF: OURS}
    seen: set[Reference] = set()
    for one in map(reference, items):
        if one in seen:
            raise NotDone(f"{one} comes twice among the manifests")
        seen.add(one)
    return Manifests(tuple(sorted(items, key=_rank)))


def _place(item: Object, namespace: str | None, fallback: str) -> None:
    metadata = item["metadata"]
    named = metadata.get("namespace")
    if named and namespace and named != namespace:
        kind, name = item["kind"], metadata["name"]
        raise NotDone(
            f"{kind} {name} is of namespace {named}, not {namespace}: render it anew, or leave --namespace out"
        )
    metadata["namespace"] = named or namespace or fallback


def _rank(item: Mapping[str, Any]) -> int:
    if item["kind"] == "RayService":
        return len(_ORDER) + 1
    return _ORDER.index(item["kind"]) if item["kind"] in _ORDER else len(_ORDER)
