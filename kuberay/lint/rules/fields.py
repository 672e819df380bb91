"""Keys, types and bounds of fields: the CRDs', Serve's, and those of settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from weakref import WeakKeyDictionary

from pydantic import ValidationError

from kuberay.lint.bundle import Bundle
from kuberay.lint.cluster import read_cluster
from kuberay.lint.document import Document
from kuberay.lint.finding import Check, Problem, Rule
from kuberay.lint.place import Place
from kuberay.lint.platform import arguments_of, read_platform
from kuberay.lint.rules.jobs import DELETION_CONDITIONS
from kuberay.lint.schema.tables import Node, Schema, kuberay_schema, serve_schema
from kuberay.lint.structure import Fault, check_structure
from kuberay.lint.typed import faults_of_error
from kuberay.settings import ClusterSettings
from serve_app.settings import Settings

MANAGERS = ("ray.io/kuberay-operator", "kueue.x-k8s.io/multikueue")

_faults: WeakKeyDictionary[Document, list[Fault]] = WeakKeyDictionary()
"""One walk serves every rule of this file."""


def faults_of(document: Document) -> list[Fault]:
    """What is wrong with the structure of a manifest of KubeRay's and of the Serve config in it."""
    if document not in _faults:
        found = list(check_structure(document.root, document.kind or "", kuberay_schema())) if document.is_ray else []
        if document.serve.given:
            found += check_structure(document.serve, "Serve", serve_schema())
        found += _of_settings(document)
        _faults[document] = found
    return _faults[document]


def _of_settings(document: Document) -> Iterator[Fault]:
    cluster, platform = read_cluster(document), read_platform(document)
    if isinstance(cluster, ValidationError):
        yield from faults_of_error(cluster, document.root, ClusterSettings)
    if isinstance(platform, ValidationError):
        yield from faults_of_error(platform, arguments_of(document), Settings)


def _structural(rule: str) -> Check:
    def check(document: Document, bundle: Bundle) -> Iterator[Problem]:
        return (fault.problem for fault in faults_of(document) if fault.rule == rule)

    return check


def _managed(place: Place) -> str | None:
    return None if place.value in MANAGERS else f"managedBy may be {' or '.join(MANAGERS)}"


def _at_any_time(place: Place) -> str | None:
    """A condition on a change, which one manifest does not show."""
    return None


CONDITIONS: Mapping[str, Callable[[Place], str | None]] = {
    "self == oldSelf": _at_any_time,
    "self in ['ray.io/kuberay-operator', 'kueue.x-k8s.io/multikueue']": _managed,
    **DELETION_CONDITIONS,
}
"""The CRDs' conditions, written in CEL, and what each says of a value that breaks it."""


def _conditions(document: Document, bundle: Bundle) -> Iterator[Problem]:
    root = kuberay_schema().root(document.kind or "") if document.is_ray else None
    if root is not None:
        yield from _walk(document.root, root, kuberay_schema())


def _walk(place: Place, node: Node, schema: Schema) -> Iterator[Problem]:
    if not place.given:
        return
    for condition in node.conditions:
        broken = CONDITIONS[condition](place)
        if broken is not None:
            yield Problem(place, broken)
    for key, number in node.fields.items():
        yield from _walk(place.at(key), schema.node(number), schema)
    if node.items is not None:
        for item in place.items:
            yield from _walk(item, schema.node(node.items), schema)


_structural_rule = partial(Rule, severity="error")

RULES = (
    _structural_rule(
        "unknown-key",
        reason="The API server drops a key that it does not know, or refuses the manifest; Serve ignores it. Either "
        "way nothing does what it says.",
        fix="remove it",
        check=_structural("unknown-key"),
    ),
    _structural_rule(
        "misplaced-key",
        reason="A key in the wrong place is an unknown key: dropped, or refused.",
        fix="move it",
        check=_structural("misplaced-key"),
    ),
    _structural_rule(
        "wrong-type",
        reason="The API server and Serve refuse a value of another type; a number where a text belongs needs quotes.",
        fix="write a value of that type",
        check=_structural("wrong-type"),
    ),
    _structural_rule(
        "missing-key",
        reason="What is required and has no default must be written.",
        fix="add it",
        check=_structural("missing-key"),
    ),
    _structural_rule(
        "null-value",
        reason="A key with nothing after it is null, which the API server refuses where the field has no default.",
        fix="give it a value, or remove the key",
        check=_structural("null-value"),
    ),
    _structural_rule(
        "bad-value",
        reason="A value out of the bounds of its field is refused.",
        fix="write a value that is allowed",
        check=_structural("bad-value"),
    ),
    _structural_rule(
        "duplicate-entry",
        reason="Lists whose entries are told apart by a key refuse two entries of one key.",
        fix="remove one of them",
        check=_structural("duplicate-entry"),
    ),
    _structural_rule(
        "settings-contradiction",
        reason="Options that each could be and together cannot are refused when the settings are read.",
        fix="make them agree",
        check=_structural("settings-contradiction"),
    ),
    _structural_rule(
        "crd-condition",
        reason="The CRD has conditions over several fields, which the API server holds.",
        fix="make the fields agree",
        check=_conditions,
    ),
)
