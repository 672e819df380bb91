"""Tests of `kuberay.render.yaml_text`: what is written is read back as it was, and comments stand where they belong."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kuberay.lint.yaml_text import parse
from kuberay.render.yaml_text import Path, document

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.sampled_from(
    [
        "yes", "1e3", "0x1", "12:30", "a: b", "# c", "one\ntwo\n", "one\n  two", " lead\ntwo", "a\n\nb\n",
        "true", "- x", "1e-5", "y", "N", "08", "0o17", "0X1F", "1_0e5", "+.5", "-1.e3", "1:30:00.5",
        "2024-01-01", "=", "<<", "~", "NaN",
    ]
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=5), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(min_size=1, max_size=6), VALUES, max_size=4))
def test_it_reads_back_as_it_was(data: dict[str, Any]) -> None:
    assert yaml.safe_load(document(data) or "{}") == data


@given(st.dictionaries(st.text(min_size=1, max_size=6) | st.sampled_from(["y", "1e5", "08"]), VALUES, max_size=4))
def test_the_api_server_reads_it_as_it_was(data: dict[str, Any]) -> None:
    """go-yaml takes other bare words for numbers and truth values than PyYAML, with which it is written."""
    assert [parsed.value for parsed in parse(document(data))] == ([data] if data else [])


def test_what_the_api_server_would_read_as_another_type_is_quoted() -> None:
    data = {"a": "1e-5", "y": "n", "zero": "0", "time": "12:30", "plain": "1.2.3", "word": "yy"}
    assert document(data) == "a: '1e-5'\n'y': 'n'\nzero: '0'\ntime: '12:30'\nplain: 1.2.3\nword: yy\n"


@given(st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3))
def test_comments_change_nothing(data: dict[str, Any]) -> None:
    assert yaml.safe_load(document(data, lambda path: f"why {len(path)}") or "{}") == data


def test_a_document_as_it_is_written() -> None:
    data = {
        "kind": "X",
        "spec": {"cpus": "0", "list": [{"a": 1, "b": {}}, "s", []], "text": "one:\n  two\n", "off": False},
    }
    remarks: dict[Path, str] = {
        ("spec", "cpus"): "word " * 30,
        ("spec", "list", "*", "a"): "of the first key",
        ("spec", "list", "*", "b"): "of another",
    }
    assert (
        document(data, remarks.get)
        == f"""kind: X
spec:
  # {"word " * 20}word
  # {"word " * 8}word
  cpus: '0'
  list:
    # of the first key
    - a: 1
      # of another
      b: {{}}
    - s
    - []
  text: |
    one:
      two
  'off': false
"""
    )


def test_a_remark_is_made_once() -> None:
    text = document({"a": [{"b": 1}, {"b": 2}]}, lambda path: "why" if path[-1] == "b" else None)
    assert text.count("# why") == 1


@pytest.mark.parametrize("text", ["a\tb\nc", "trailing \nx", "\nfirst is empty", "ends\n\n"])
def test_text_that_a_block_would_change_is_quoted(text: str) -> None:
    written = document({"text": text})
    assert "|" not in written
    assert yaml.safe_load(written) == {"text": text}
