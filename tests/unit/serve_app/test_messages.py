"""The values that cross processes."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from models.tensor import bytes_array
from serve_app.messages import InferenceRequest, InferenceResponse

REQUEST = InferenceRequest({"x": np.ones((2, 3), np.float32), "t": bytes_array([b"abc", b""])}, 2, 1, 0.5)
RESPONSE = InferenceResponse({"y": np.ones((2, 3), np.uint8)}, 0.1, 0.2, 8, 0.3)


@pytest.mark.parametrize("message", [REQUEST, RESPONSE], ids=lambda message: type(message).__name__)
def test_a_message_arrives_as_it_left(message: InferenceRequest | InferenceResponse) -> None:
    arrived = pickle.loads(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))
    assert type(arrived) is type(message)
    assert arrived[1:] == message[1:]
    assert arrived[0].keys() == message[0].keys()
    for name, array in message[0].items():
        assert arrived[0][name].dtype == array.dtype
        assert np.array_equal(arrived[0][name], array)


def test_a_message_pickles_by_position_without_its_fields_names() -> None:
    """A third of a dataclass's cost, and each request pays it twice a hop."""
    assert b"budget_s" not in pickle.dumps(REQUEST)


def test_the_size_is_that_of_all_tensors() -> None:
    assert REQUEST.num_bytes == 2 * 3 * 4 + (3 + 4) + 4
    assert RESPONSE.num_bytes == 6


def test_an_answer_that_names_no_times_took_none() -> None:
    assert InferenceResponse({})[1:] == (0.0, 0.0, 0, 0.0)


def test_a_request_that_names_nothing_has_no_deadline_and_comes_last() -> None:
    assert InferenceRequest({}, 1)[2:] == (0, None)
