"""Names, of which other names are made."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from kuberay.lint.bundle import Bundle
from kuberay.lint.document import Document
from kuberay.lint.finding import Problem, Rule
from kuberay.lint.views import clusters_of
from kuberay.settings import MAX_SERVICE_NAME

MAX_NAME = {"RayService": MAX_SERVICE_NAME, "RayJob": 47, "RayCluster": 53, "RayCronJob": 36}
"""By kind: what is appended must fit into 63 characters."""

SERVICE_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
"""DNS-1035."""
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
"""DNS-1123."""


def is_label(name: str) -> bool:
    """Whether a name is a DNS-1123 label."""
    return len(name) <= 63 and LABEL.fullmatch(name) is not None


def _length(document: Document, bundle: Bundle) -> Iterator[Problem]:
    name = document.root.at("metadata", "name")
    most = MAX_NAME.get(document.kind or "") if document.is_ray else None
    if most is not None and name.text is not None and len(name.text) > most:
        sentence = f"the name has {len(name.text)} characters, and a {document.kind}'s may have {most}"
        yield Problem(name, sentence, f"shorten it to {most} characters")


def _form(document: Document, bundle: Bundle) -> Iterator[Problem]:
    name = document.root.at("metadata", "name")
    if document.is_ray and name.text is not None and not SERVICE_LABEL.fullmatch(name.text):
        yield Problem(name, f"the name '{name.text}' is no DNS-1035 label")


def _group_form(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.workers:
            name = group.place.at("groupName")
            if name.text is not None and not is_label(name.text):
                yield Problem(name, f"the group name '{name.text}' is no DNS-1123 label")


def _group_twice(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        names = [group.place.at("groupName") for group in cluster.workers]
        counted = Counter(name.text for name in names)
        for index, name in enumerate(names):
            if name.text is not None and counted[name.text] > 1 and name.text in [n.text for n in names[:index]]:
                yield Problem(name, f"a group '{name.text}' stands above already")


def _group_reserved(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.workers:
            if group.place.at("groupName").value == "headgroup":
                yield Problem(group.place.at("groupName"), "headgroup is the name of the head's own group")


RULES = (
    Rule(
        "name-too-long",
        "error",
        "The operator appends to the name; the API server takes a longer one, and the operator then rejects it.",
        "shorten it",
        _length,
    ),
    Rule(
        "name-form",
        "error",
        "Services are named after the object, so it must be a DNS-1035 label; only the operator says so, in a status.",
        "use lower-case letters, digits and hyphens, a letter first",
        _form,
    ),
    Rule(
        "group-name-form",
        "warning",
        "Group names stand in pods' names, and in those of NetworkPolicies, which are refused then.",
        "use lower-case letters, digits and hyphens",
        _group_form,
    ),
    Rule(
        "duplicate-group",
        "error",
        "Nothing refuses two groups of one name: the operator then makes and deletes the pods of both for ever.",
        "give each group a name of its own",
        _group_twice,
    ),
    Rule(
        "reserved-group-name",
        "error",
        "Pods carry their group's name as a label, by which the head's are told from workers'.",
        "choose another name",
        _group_reserved,
    ),
)
