"""Laws: any data gives findings or none, never an error; one document does not hide what is wrong in another."""

from __future__ import annotations

import copy
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kuberay.lint.document import read_documents
from kuberay.lint.run import find
from tests.unit.kuberay.lint.cases import BASES, as_yaml, find_in, service
from tests.unit.kuberay.lint.rules.test_cluster_settings import CLUSTER, SERVE

SCALARS = st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=8)
WORDS = st.sampled_from(
    ["spec", "kind", "groups", "applications", "models", "name", "ray.io/cluster", "-1", "%", "8Gi"]
)
DATA = st.recursive(
    SCALARS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
MANIFESTS: list[dict[str, Any]] = [*(base() for base in BASES.values()), CLUSTER, SERVE]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in below for place in places(child, (*path, key)))]


@st.composite
def damaged(draw: st.DrawFn) -> dict[str, Any]:
    """A manifest in which something stands that does not belong there."""
    manifest = copy.deepcopy(draw(st.sampled_from(MANIFESTS)))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(places(manifest)[1:] or [("kind",)]))
        above: Any = manifest
        for key in path[:-1]:
            above = above[key]
        above[path[-1]] = draw(DATA)
    return manifest


@settings(max_examples=250, deadline=None)
@given(damaged())
def test_no_manifest_makes_it_fail(manifest: dict[str, Any]) -> None:
    find_in([manifest])


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab:- \n[]{}&*!|>'\"#%@,?<=0.\t"), max_size=40) | DATA.map(yaml.safe_dump))
def test_no_text_makes_it_fail(text: str) -> None:
    find(read_documents(text, "f"))


@settings(max_examples=40, deadline=None)
@given(damaged(), st.sampled_from(["a: [1", "{", "\t- a", "*a", "%", "a: b: c"]))
def test_a_broken_document_hides_no_finding_of_another(manifest: dict[str, Any], broken: str) -> None:
    alone = {(finding.rule, finding.path, finding.sentence) for finding in find_in([manifest])}
    text = f"{broken}\n---\n{as_yaml([manifest])}---\n{broken}\n"
    beside = [(finding.rule, finding.path, finding.sentence) for finding in find(read_documents(text, "f"))]
    assert alone <= set(beside)
    assert sum(rule == "yaml-syntax" for rule, _, _ in beside) >= 2


def test_findings_are_the_same_in_any_order_of_keys() -> None:
    manifest = service()
    manifest["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["minReplicas"] = 9
    turned = dict(reversed(manifest.items()))
    said = [{(one.rule, one.path, one.sentence) for one in find_in([order])} for order in (manifest, turned)]
    assert said[0] == said[1] != set()
