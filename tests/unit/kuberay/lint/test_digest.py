"""Tests of `kuberay.lint.schema.digest`; that the committed files are of their sources is held where those are."""

from __future__ import annotations

from kuberay.lint.schema.digest import digest_serve


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
            {"types": ["object"], "fields": {"description": 0}},
            {"types": ["object"], "fields": {"a": 1, "b": 1}},
        ],
    }
