"""Which strings of an exported graph pass."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.backends import pt2
from models.backends.archive import Archive
from models.errors import UnsafeFile


@pytest.mark.parametrize(
    "text",
    [
        "Symbol('s77', positive=True, integer=True)",
        "Mul(Integer(2), Min(Integer(8), Mul(Integer(8), Symbol('s27', positive=True, integer=True))))",
        "Piecewise((Integer(1), true))",
        "Add(Integer(-1), Rational(1, 2), Float('0.5', precision=53))",
        "FloorDiv(s0, -2)",
        "true",
    ],
)
def test_expressions_that_pass(text: str) -> None:
    assert pt2._is_expression(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "open('x')",
        "Symbol('s0').__class__",
        "Symbol('s0', positive=open('x'))",
        "Float('__import__', precision=53)",
        "Integer('1')",
        "Integer(1)(2)",
        "Mul(*x)",
        "[s0 for s0 in x]",
        "lambda: 1",
        "s0 if s1 else s2",
        "os",
        "9**9**9",
        "(" * 1000,
        "Add(s0, " * 3000,
    ],
)
def test_expressions_that_do_not(text: str) -> None:
    assert not pt2._is_expression(text)


LEAF = {"type": None, "context": None, "children_spec": []}


@pytest.mark.parametrize(
    ("tree", "passes"),
    [
        ([1, LEAF], True),
        ([1, {"type": "builtins.dict", "context": '["y"]', "children_spec": [LEAF]}], True),
        ([1, {"type": "builtins.dict", "context": '["y): x"]', "children_spec": [LEAF]}], False),
        ([1, {"type": "builtins.dict", "context": '[{"__enum__": true}]', "children_spec": [LEAF]}], False),
        ([1, {"type": "builtins.dict", "context": '{"__enum__": true}', "children_spec": []}], False),
        ([1, {"type": "builtins.tuple", "context": "null", "children_spec": [{"type": "x", "context": None}]}], False),
        ([2, LEAF], False),
        ([1, {}], False),
        ("x", False),
    ],
)
def test_trees(tree: object, passes: bool) -> None:
    assert pt2._is_tree(json.dumps(tree)) == passes


def graph(content: object) -> Archive:
    return Archive({pt2.GRAPH: json.dumps(content).encode()})


@pytest.mark.parametrize(
    "content",
    [
        {"range_constraints": {"s0": {"min_val": 1}, "__import__('os')": {}}},
        {"a": {"x y": 1}},
        {"as_string": "line\nbreak"},
        {"as_operator": "os.system"},
        ["__x"],
    ],
)
def test_graphs_that_do_not_pass(content: object) -> None:
    with pytest.raises(UnsafeFile):
        pt2.checked(graph(content), "m")


def test_what_is_dropped() -> None:
    content = {"metadata": {"x": "any (thing)"}, "guards_code": ["x"], "range_constraints": {"2*s0": {"min_val": 2}}}
    left = {"metadata": {}, "guards_code": [], "range_constraints": {"2*s0": {"min_val": 2}}}
    assert json.loads(pt2.checked(graph(content), "m").records[pt2.GRAPH]) == left


@given(st.text(max_size=30), st.sampled_from(["name", "target", "expr_str", "in_spec", "parameter_name", "unheard_of"]))
def test_what_passes_cannot_hold_python(text: str, key: str) -> None:
    """Nothing that passes has what a call or an attribute of Python's own needs."""
    try:
        pt2.checked(graph({key: text}), "m")
    except UnsafeFile:
        return
    assert "__" not in text[:2]
    assert key in ("expr_str", "in_spec") or "(" not in text
