"""model.yaml: what is accepted, what is refused, and in which words."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ManifestError
from models.manifest import Batching, Manifest, parse_manifest
from models.tensor import TensorSpec

FILE = {"uri": "f", "sha256": "0" * 64}
X = {"name": "x", "datatype": "FP32", "shape": [-1, 4]}
TEXT = {"name": "text", "datatype": "BYTES", "shape": [-1]}
ECHO: dict[str, Any] = {"name": "m", "version": "1", "backend": "echo", "inputs": [X], "outputs": [{**X, "name": "y"}]}
TOKENS: dict[str, Any] = {
    **ECHO,
    "files": {"tokenizer": FILE},
    "inputs": [X, TEXT],
    "preprocessing": {"kind": "tokenize", "input": "text", "tokenizer": "tokenizer"},
}


def parse(data: object) -> Manifest:
    return parse_manifest(yaml.safe_dump(data), "here/model.yaml")


def refusal(data: object) -> str:
    with pytest.raises(ManifestError) as caught:
        parse(data)
    assert caught.value.path == "here/model.yaml"
    return caught.value.reason


def test_the_smallest_manifest() -> None:
    manifest = parse(ECHO)
    assert manifest.input_specs == manifest.model_input_specs == (TensorSpec("x", "FP32", (-1, 4)),)
    assert manifest.output_specs == (TensorSpec("y", "FP32", (-1, 4)),)
    assert (manifest.length_input, manifest.padded_input) == (None, None)
    assert manifest.compute.precisions == ("fp32",)


def test_a_tokenised_model_takes_ids_and_lengths_and_every_other_input() -> None:
    manifest = parse(TOKENS)
    assert [spec.name for spec in manifest.input_specs] == ["x", "text"]
    assert [spec.name for spec in manifest.model_input_specs] == ["input_ids", "lengths", "x"]
    assert (manifest.padded_input, manifest.length_input) == ("input_ids", "lengths")


def test_an_image_model_takes_pixels_of_the_declared_size_and_has_no_lengths() -> None:
    manifest = parse({**ECHO, "inputs": [TEXT], "preprocessing": {"kind": "image", "input": "text", "size": 64}})
    assert manifest.model_input_specs == (TensorSpec("pixels", "UINT8", (-1, 64, 64, 3)),)
    assert (manifest.length_input, manifest.padded_input) == (None, None)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"batch": {}}, "batch: unknown key"),
        ({"batching": {"max_row": 3}}, "batching.max_row: unknown key"),
        ({"batching": {"max_rows": 0}}, "batching.max_rows: "),
        ({"batching": {"length_buckets": [8, 8]}}, "batching.length_buckets: must be positive and rise"),
        ({"batching": {"length_buckets": [0, 8]}}, "batching.length_buckets: must be positive and rise"),
        ({"batching": {"length_buckets": [8], "packed": True}}, "batching: length_buckets keep padding small"),
        ({"inputs": []}, "inputs: "),
        ({"inputs": [{**X, "shape": [1, 4]}]}, "inputs.0.shape: axis 0 is the batch axis and must be -1"),
        ({"inputs": [{**X, "shape": []}]}, "inputs.0.shape: "),
        ({"inputs": [{**X, "shape": [-1, -2]}]}, "inputs.0.shape.1: "),
        ({"inputs": [{**X, "datatype": "FLOAT"}]}, "inputs.0.datatype: Input should be 'BOOL'"),
        ({"inputs": [X, X]}, "as a whole: tensor names must differ: ['x', 'x']"),
        ({"outputs": [{**X, "labels": "names"}]}, "'names' is not an entry of `files` (it has: none)"),
        ({"backend": "pickle"}, "backend: Input should be 'torch_module'"),
        ({"backend": "onnx"}, "`weights` is needed by every backend but echo"),
        ({"weights": "w", "files": {"w": FILE}}, "`weights` is needed by every backend but echo"),
        ({"architecture": "minilm"}, "`architecture` is needed by backend torch_module and by no other"),
        ({"backend": "torch_module", "weights": "w"}, "`architecture` is needed by backend torch_module"),
        ({"backend": "onnx", "weights": "w", "files": {"v": FILE}}, "'w' is not an entry of `files` (it has: v)"),
        ({"files": {"w": {**FILE, "sha256": "abc"}}}, "files.w.sha256: "),
        ({"name": "../m"}, "name: "),
        ({"name": "m" * 64}, "name: "),
        ({"name": "m\n"}, "name: "),
        ({"compute": {"precisions": ["fp8"]}}, "compute.precisions.0: "),
        ({"warm_up": [{"inputs": {"z": [1]}}]}, "a warm-up sample must give ['x'], got ['z']"),
        ({"warm_up": [{"inputs": {"x": [{"file": "jpg"}]}}]}, "'jpg' is not an entry of `files`"),
        ({"preprocessing": {"kind": "image", "input": "x"}}, "preprocessing takes 'x', which must be a BYTES [-1]"),
        ({"preprocessing": {"kind": "image", "input": "z"}}, "preprocessing takes 'z', which must be a BYTES [-1]"),
        ({"preprocessing": {"kind": "audio", "input": "x"}}, "preprocessing: "),
    ],
)
def test_what_is_wrong_is_said_where_it_is(changes: dict[str, Any], sentence: str) -> None:
    assert sentence in refusal({**ECHO, **changes})


def test_every_finding_is_told_at_once() -> None:
    reason = refusal({**ECHO, "colour": 1, "backend": "pickle"})
    assert "colour: unknown key" in reason
    assert "backend: " in reason
    assert "\n" not in reason


def test_a_number_for_a_version_is_told_to_be_quoted() -> None:
    """YAML reads 1.10 as 1.1, so a number cannot be taken for what was written."""
    assert "version: " in refusal({**ECHO, "version": 1.1})
    assert "quotes" in refusal({**ECHO, "version": 1.1})


@pytest.mark.parametrize("missing", ["name", "version", "backend", "inputs", "outputs"])
def test_nothing_that_is_needed_has_a_default(missing: str) -> None:
    assert f"{missing}: Field required" in refusal({key: value for key, value in ECHO.items() if key != missing})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [", "is not YAML: "),
        ("a: 2026-13-45", "is not YAML: "),
        (b"\xff\xfe\x00", "is not YAML: "),
        ("- 1", "must be a mapping of keys"),
        ("", "must be a mapping of keys"),
        ("!!python/object/apply:os.getcwd []", "is not YAML: "),
    ],
)
def test_what_is_no_mapping(text: str | bytes, sentence: str) -> None:
    with pytest.raises(ManifestError, match=sentence) as caught:
        parse_manifest(text, "here/model.yaml")
    assert "\n" not in str(caught.value)


def test_a_manifest_does_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        parse(ECHO).name = "other"


@given(st.lists(st.integers(-5, 60), max_size=6))
def test_buckets_are_taken_exactly_when_they_are_positive_and_rise(buckets: list[int]) -> None:
    rises = all(bucket > 0 for bucket in buckets) and buckets == sorted(set(buckets))
    try:
        taken = Batching(length_buckets=tuple(buckets)).length_buckets
    except ValueError:
        assert not rises
    else:
        assert rises
        assert taken == tuple(buckets)


@pytest.mark.parametrize("data", [ECHO, TOKENS])
def test_what_is_read_is_written_the_same(data: dict[str, Any]) -> None:
    """Digests are made of the written form, and it travels to replicas."""
    manifest = parse(data)
    assert parse(manifest.model_dump(mode="json")) == manifest
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest
