"""One HTTP request as it is sent: prepared before the load starts, so that the generator only writes bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from models.tensor import Array
from serve_app.ingress.binary_tensor import bytes_from_array

_DATATYPES = {"float32": "FP32", "object": "BYTES"}
"""Of the workloads' inputs, by numpy's name."""


class HttpCall(NamedTuple):
    """A POST request.

    Attributes:
        path: With the leading slash.
        headers: Without Host and Content-Length, which `to_bytes` adds.
        body: As sent.
    """

    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def to_bytes(self, host: str) -> bytes:
        """The whole request, for a keep-alive connection."""
        lines = [f"POST {self.path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(self.body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return "\r\n".join((*lines, "", "")).encode("latin-1") + self.body


def oip_json(path: str, inputs: Mapping[str, Array]) -> HttpCall:
    """The request in the Open Inference Protocol's JSON form; BYTES elements must be UTF-8 text."""
    tensors = [_head(name, array) | {"data": _data(array)} for name, array in inputs.items()]
    return HttpCall(path, (("Content-Type", "application/json"),), orjson.dumps({"inputs": tensors}))


def oip_binary(path: str, inputs: Mapping[str, Array]) -> HttpCall:
    """The request in the protocol's binary form, which asks for binary outputs too."""
    tensors, buffers = [], []
    for name, array in inputs.items():
        buffers.append(bytes_from_array(array))
        tensors.append(_head(name, array) | {"parameters": {"binary_data_size": len(buffers[-1])}})
    head = orjson.dumps({"inputs": tensors, "parameters": {"binary_data_output": True}})
    headers = (
        ("Content-Type", "application/octet-stream"),
        ("Inference-Header-Content-Length", str(len(head))),
    )
    return HttpCall(path, headers, b"".join((head, *buffers)))


def _head(name: str, array: Array) -> dict[str, Any]:
    return {"name": name, "shape": list(array.shape), "datatype": _DATATYPES[array.dtype.name]}


def _data(array: Array) -> list[Any]:
    values: list[Any] = array.ravel().tolist()
    return [value.decode() for value in values] if array.dtype == object else values
