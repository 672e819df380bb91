"""Tests of `kuberay.lint.schema`: the committed files are what their sources say."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from kuberay.lint.schema.digest import digest_crds, digest_serve, written

SCHEMA = Path(__file__).parents[4] / "kuberay/lint/schema"
CRDS = Path("/work/shared/crds")
KINDS = ("rayservices", "rayclusters", "rayjobs", "raycronjobs")


@pytest.mark.skipif(not CRDS.exists(), reason="the CRDs of KubeRay 1.7 are not on this machine")
def test_the_committed_digest_is_that_of_the_crds() -> None:
    crds = [yaml.load((CRDS / f"ray.io_{kind}.yaml").read_text(), yaml.CSafeLoader) for kind in KINDS]
    assert written(digest_crds(crds)) == (SCHEMA / "kuberay.json").read_text()


def test_equal_subtrees_are_one_node_and_alternatives_are_one_type() -> None:
    name = {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "Dropped.", "default": 1}
    schema = {
        "$defs": {"Part": {"type": "object", "properties": {"description": name}, "additionalProperties": False}},
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/Part"}, "b": {"anyOf": [{"type": "object"}, {"$ref": "#/$defs/Part"}]}},
    }
    assert digest_serve(schema) == {
        "roots": {"Serve": 2},
        "nodes": [
            {"types": ["string"], "nullable": True},
            {"types": ["object"], "fields": {"description": 0}, "closed": True},
            {"types": ["object"], "fields": {"a": 1, "b": 1}},
        ],
    }
