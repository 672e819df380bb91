"""An inference call of arrays, and its answer, as a client writes and reads the protocol's binary form.

Every datatype has this form; FP16 and BF16 have no other.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from models.errors import InvalidTensor
from models.tensor import Array, TensorSpec
from serve_app.ingress.binary_tensor import array_from_bytes, bytes_from_array

HEADER_LENGTH = "inference-header-content-length"
"""Header that says how many bytes of a body are JSON; what follows is tensors."""


def encode(tensors: Sequence[tuple[TensorSpec, Array]]) -> tuple[dict[str, str], bytes]:
    """Make a call that wants its outputs in binary too.

    Returns:
        Headers and body.
    """
    entries: list[dict[str, Any]] = []
    buffers = []
    for spec, array in tensors:
        buffers.append(bytes_from_array(array))
        size = {"binary_data_size": len(buffers[-1])}
        entries.append({"name": spec.name, "datatype": spec.datatype, "shape": list(array.shape), "parameters": size})
    head = json.dumps({"inputs": entries, "parameters": {"binary_data_output": True}}).encode()
    headers = {"content-type": "application/octet-stream", HEADER_LENGTH: str(len(head))}
    return headers, b"".join((head, *buffers))


def decode(head_bytes: int, body: bytes, specs: Sequence[TensorSpec]) -> dict[str, Array]:
    """Read an answer whose tensors are all binary.

    Args:
        head_bytes: Length of the JSON part.
        specs: The outputs that are declared.

    Returns:
        Output name to array, its shape as the answer says.

    Raises:
        InvalidTensor: An output is missing, was not declared, or is not what was declared.
    """
    declared = {spec.name: spec for spec in specs}
    outputs: dict[str, Array] = {}
    start = head_bytes
    for entry in json.loads(body[:head_bytes])["outputs"]:
        name, size = entry["name"], entry["parameters"]["binary_data_size"]
        spec = declared.get(name)
        if spec is None:
            raise InvalidTensor(name, f"is not declared; these are: {', '.join(declared)}")
        if entry["datatype"] != spec.datatype:
            raise InvalidTensor(name, f"expected datatype {spec.datatype}, got {entry['datatype']}")
        outputs[name] = array_from_bytes(spec, tuple(entry["shape"]), body, start, size)
        spec.check(outputs[name])
        start += size
    missing = declared.keys() - outputs.keys()
    if missing:
        raise InvalidTensor(sorted(missing)[0], "is declared and not in the answer")
    return outputs
