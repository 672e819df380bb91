"""What the peers read and write: the Open Inference Protocol's JSON for small rows, plain bytes for large ones.

No checks: a peer trusts its callers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from models.tensor import Array

JSON = "application/json"
BINARY = "application/octet-stream"

JSON_REQUESTS = frozenset({"echo", "minilm"})
"""Workloads whose requests are JSON; the others' bodies are the row itself."""


def content_of_json(workload: str, payload: Mapping[str, Any]) -> Any:
    """Take the row out of a decoded request `{"inputs": [{"data": ..., ...}]}`."""
    return content_of_tensor(workload, payload["inputs"][0])


def content_of_tensor(workload: str, tensor: Mapping[str, Any]) -> Any:
    """Take the row out of one tensor of a decoded request."""
    if workload == "minilm":
        return tensor["data"][0]
    return np.array(tensor["data"], np.float32).reshape(tensor["shape"])


def content_of_body(workload: str, body: bytes) -> Any:
    """Take the row out of a request's body."""
    if workload in JSON_REQUESTS:
        return content_of_json(workload, orjson.loads(body))
    return body if workload == "jpeg" else np.frombuffer(body, np.float32).reshape(1, -1)


def tensor_of(name: str, output: Array) -> dict[str, Any]:
    """Make the answer's tensor, which holds the array: only orjson writes it."""
    return {"name": name, "shape": output.shape, "datatype": "FP32", "data": output.ravel()}


def plain_tensor_of(name: str, output: Array) -> dict[str, Any]:
    """Make the answer's tensor of lists and numbers, for a peer that writes the JSON itself."""
    return {"name": name, "shape": list(output.shape), "datatype": "FP32", "data": output.ravel().tolist()}


def body_of(workload: str, name: str, output: Array) -> bytes:
    """Write an answer: of `tensor` the plain bytes, otherwise `{"outputs": [...]}`."""
    if workload == "tensor":
        return output.tobytes()
    return orjson.dumps({"outputs": [tensor_of(name, output)]}, option=orjson.OPT_SERIALIZE_NUMPY)


def media_type_of(workload: str) -> str:
    """Name the form of an answer."""
    return BINARY if workload == "tensor" else JSON
