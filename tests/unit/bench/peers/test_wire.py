"""What a peer reads is what was sent, and both forms of an answer say the same."""

from __future__ import annotations

import numpy as np
import orjson
import pytest

from bench.call import oip_json
from bench.peers.wire import BINARY, JSON, body_of, content_of_body, media_type_of, plain_tensor_of
from models.tensor import bytes_array


def test_a_row_is_read_from_each_workloads_body() -> None:
    row = np.array([[1.5, 2.0, 3.0]], np.float32)
    assert np.array_equal(content_of_body("echo", oip_json("/", {"x": row}).body), row)
    assert np.array_equal(content_of_body("tensor", row.tobytes()), row)
    assert content_of_body("minilm", oip_json("/", {"text": bytes_array(["œuf".encode()])}).body) == "œuf"
    assert content_of_body("jpeg", b"\xff\xd8") == b"\xff\xd8"


def test_both_forms_of_a_json_answer_are_equal() -> None:
    row = np.array([[0.5, -2.0]], np.float32)
    plain = {"outputs": [plain_tensor_of("y", row)]}
    assert orjson.loads(body_of("echo", "y", row)) == plain
    assert plain["outputs"][0] == {"name": "y", "shape": [1, 2], "datatype": "FP32", "data": [0.5, -2.0]}


@pytest.mark.parametrize(
    ("workload", "media_type"), [("echo", JSON), ("minilm", JSON), ("jpeg", JSON), ("tensor", BINARY)]
)
def test_a_large_tensor_is_answered_with_its_bytes(workload: str, media_type: str) -> None:
    row = np.ones((1, 3), np.float32)
    assert media_type_of(workload) == media_type
    assert (body_of(workload, "y", row) == row.tobytes()) == (media_type == BINARY)
