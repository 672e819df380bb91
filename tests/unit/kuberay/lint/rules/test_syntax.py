"""Tests of the rules over the text of a file."""

from __future__ import annotations

import pytest

from kuberay.lint.document import read_documents
from kuberay.lint.run import find

GOOD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
CASES = {
    "yaml-syntax": (GOOD + "---\na: [1\n---\n" + GOOD, GOOD + "---\n" + GOOD, 6),
    "duplicate-key": (GOOD + "data: {a: b, a: c}\n", GOOD + "x: &x {a: b}\ndata: {<<: *x, a: c}\n", 4),
    "unknown-document": ("a: 1\n", GOOD, 1),
    "incomplete-manifest": ("apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n", GOOD, 3),
    "api-version": (
        "apiVersion: ray.io/v1alpha1\nkind: RayCluster\nmetadata: {name: a}\n",
        "apiVersion: ray.io/v1\nkind: RayCluster\nmetadata: {name: a}\n",
        1,
    ),
}


@pytest.mark.parametrize("rule", CASES)
def test_a_rule_finds_what_breaks_it_at_its_line(rule: str) -> None:
    bad, good, line = CASES[rule]
    assert (rule, line) in {(finding.rule, finding.line) for finding in find(read_documents(bad, "f"))}
    assert rule not in {finding.rule for finding in find(read_documents(good, "f"))}


def test_a_broken_document_hides_neither_those_before_nor_those_after_it() -> None:
    broken = "kind: ConfigMap\nmetadata: {}\n---\na: [1\n---\nkind: ConfigMap\nmetadata: {}\n"
    found = [(finding.line, finding.rule) for finding in find(read_documents(broken, "f"))]
    assert found == [
        (1, "incomplete-manifest"),
        (2, "incomplete-manifest"),
        (5, "yaml-syntax"),
        (6, "incomplete-manifest"),
        (7, "incomplete-manifest"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [*a]\n",
        "[" * 200 + "]" * 200,
        "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
        + "".join(
            f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
            for before, name in zip("abcdef", "bcdefg", strict=True)
        ),
    ],
    ids=["itself", "deep", "aliases of aliases"],
)
def test_a_document_that_would_never_end_is_one_finding(text: str) -> None:
    assert [finding.rule for finding in find(read_documents(text, "f"))] == ["yaml-syntax"]


def test_a_list_of_manifests_counts_as_its_items() -> None:
    text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: ray.io/v2\n  kind: RayCluster\n  metadata: {name: a}\n"
    found = find(read_documents(text, "f"))
    assert [(finding.rule, finding.path, finding.line) for finding in found] == [
        ("api-version", "items[0].apiVersion", 4)
    ]


def test_a_list_of_nothing_is_no_manifest_that_lacks_something() -> None:
    """As `kubectl get rayservices -o yaml` prints it where there are none."""
    text = 'apiVersion: v1\nkind: List\nitems: []\nmetadata: {resourceVersion: ""}\n'
    assert find(read_documents(text, "f")) == []
