"""Infer bodies to `InferenceRequest` and `InferenceResponse` to bodies: JSON, binary, and both in one message.

Source: Open Inference Protocol v2, "Inference"; Triton's "Binary Tensor Data Extension".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import orjson

from models.errors import InferenceFailed, InvalidRequest, InvalidTensor, PayloadTooLarge
from models.tensor import Array, TensorSpec
from serve_app.ingress.binary_tensor import array_from_bytes, bytes_from_array
from serve_app.ingress.classification import classify
from serve_app.ingress.dataplane import ServedModel
from serve_app.ingress.json_tensor import array_from_json, files_from_base64
from serve_app.ingress.parameters import (
    RequestedOutput,
    ResponsePlan,
    boolean,
    budget_s,
    check_forms,
    members,
    priority,
    requested_outputs,
)
from serve_app.ingress.reply import Chunk
from serve_app.messages import InferenceRequest, InferenceResponse

# Smaller chunks are joined: one send is cheaper than the copy it saves.
JOIN_BELOW_BYTES = 64 * 1024

# As Python objects numbers take about eight times their JSON; what is larger has the binary form.
MAX_JSON_BYTES = 64 * 2**20


class DecodedRequest(NamedTuple):
    """What an infer body asks for."""

    request: InferenceRequest
    plan: ResponsePlan


class EncodedResponse(NamedTuple):
    """An infer answer.

    Attributes:
        chunks: The body, in parts to be sent one after the other.
        json_bytes: Length of the JSON that binary tensors follow, bytes; None: the body is JSON only.
    """

    chunks: list[Chunk]
    json_bytes: int | None


def decode_infer(
    model: ServedModel,
    body: bytes,
    json_length: bytes | None = None,
    timeout: bytes | None = None,
    default_budget_s: float | None = None,
) -> DecodedRequest:
    """Read an infer body.

    Args:
        body: Decompressed.
        json_length: Value of the header `Inference-Header-Content-Length`; b"0" is the raw form, in which the body is
            the single input's data.
        timeout: Value of the header `x-request-timeout-seconds`.
        default_budget_s: Budget of a request that names none, seconds.

    Raises:
        InvalidRequest: The body is no request to this model; InvalidTensor where one tensor is at fault.
    """
    json_bytes = len(body) if json_length is None else _json_bytes(json_length, len(body))
    if json_bytes == 0 and json_length is not None:
        return _decode_raw(model, body, budget_s({}, timeout, default_budget_s))
    document = parse_object(body if json_length is None else memoryview(body)[:json_bytes], json_length)
    inputs = _decode_inputs(model, document.get("inputs"), body, json_bytes)
    parameters = members(document.get("parameters"), "'parameters'")
    binary = boolean(parameters, "binary_data_output", False)
    identifier = document.get("id")
    if identifier is not None and type(identifier) is not str:
        raise InvalidRequest("'id' must be a string")
    plan = ResponsePlan(identifier, requested_outputs(model, document.get("outputs"), binary), binary)
    check_forms(model, plan)
    request = InferenceRequest(
        inputs, num_rows(inputs), priority(parameters), budget_s(parameters, timeout, default_budget_s)
    )
    return DecodedRequest(request, plan)


def encode_infer(model: ServedModel, plan: ResponsePlan, response: InferenceResponse) -> EncodedResponse:
    """Write an infer answer.

    NaN and infinity, which JSON does not have, become null in JSON outputs; binary outputs keep them. JSON data is
    flat, as Triton and KServe write it.

    Raises:
        InferenceFailed: The model's outputs are not what it declares, or have no order where classes are asked for.
        InvalidRequest: A BYTES output that is no UTF-8 text is asked for in JSON.
    """
    outputs: list[dict[str, Any]] = []
    tensors: list[Chunk] = []
    for wanted in plan.outputs or [RequestedOutput(name, plan.binary) for name in model.outputs]:
        spec = model.outputs[wanted.name]
        array = output_array(model, spec, response)
        datatype: str = spec.datatype
        if wanted.num_classes:
            array, datatype = classify(model, spec, array, wanted.num_classes), "BYTES"
        entry: dict[str, Any] = {"name": wanted.name, "shape": array.shape, "datatype": datatype}
        if wanted.binary:
            data = bytes_from_array(array)
            entry["parameters"] = {"binary_data_size": len(data)}
            tensors.append(data)
        else:
            entry["data"] = _json_data(wanted.name, array)
        outputs.append(entry)
    head: dict[str, Any] = {"model_name": model.name, "model_version": model.version, "outputs": outputs}
    if plan.id is not None:
        head["id"] = plan.id
    json = orjson.dumps(head, option=orjson.OPT_SERIALIZE_NUMPY)
    if not tensors:
        return EncodedResponse([json], None)
    return EncodedResponse(_joined([json, *tensors]), len(json))


def parse_object(body: bytes | memoryview, json_length: bytes | None = None) -> dict[str, Any]:
    """Parse a JSON object; the error says where the text goes wrong, and whether a header may have cut it.

    Raises:
        PayloadTooLarge: It is over what is parsed as JSON.
        InvalidRequest: It is no JSON object.
    """
    if len(body) > MAX_JSON_BYTES:
        what = "the JSON of the body (send large tensors in the binary form)"
        raise PayloadTooLarge(what, len(body), MAX_JSON_BYTES, "bytes")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        cut = "" if json_length is None else f" within the {len(body)} bytes of Inference-Header-Content-Length"
        raise InvalidRequest(f"the body is not valid JSON{cut}: {error}") from error
    if type(document) is not dict:
        raise InvalidRequest("the body must be a JSON object")
    return document


def num_rows(inputs: Mapping[str, Array]) -> int:
    """The size of the batch axis, which all inputs share.

    Raises:
        InvalidRequest: They do not.
    """
    rows = {len(array) for array in inputs.values()}
    if len(rows) != 1:
        sizes = ", ".join(f"'{name}' has {len(array)}" for name, array in inputs.items())
        raise InvalidRequest(f"all inputs must have the same number of rows (axis 0): {sizes}")
    return rows.pop()


def output_array(model: ServedModel, spec: TensorSpec, response: InferenceResponse) -> Array:
    """One output in row-major order, checked against its declared datatype.

    Raises:
        InferenceFailed: The model did not give it, or gave another type.
    """
    array = response.outputs.get(spec.name)
    if array is None or array.dtype != spec.dtype:
        got = "nothing" if array is None else str(array.dtype)
        reason = f"output '{spec.name}' is declared {spec.datatype}, the model gave {got}"
        raise InferenceFailed(model.name, model.version, reason)
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)


def _json_bytes(header: bytes, body_bytes: int) -> int:
    # int() would also take "+5", "1_0" and blanks.
    if not header.isdigit() or len(header) > 15:
        raise InvalidRequest("header 'Inference-Header-Content-Length' must be a whole number of bytes")
    size = int(header)
    if size > body_bytes:
        raise InvalidRequest(f"Inference-Header-Content-Length is {size}, the body has only {body_bytes} bytes")
    return size


def _decode_inputs(model: ServedModel, entries: object, body: bytes, start: int) -> dict[str, Array]:
    if type(entries) is not list or not entries:
        raise InvalidRequest("'inputs' must be a list of at least one tensor")
    inputs: dict[str, Array] = {}
    for entry in entries:
        if type(entry) is not dict or type(entry.get("name")) is not str:
            raise InvalidRequest("each of 'inputs' must be an object with a 'name' that is a string")
        name = entry["name"]
        spec = model.inputs.get(name)
        if spec is None:
            raise InvalidRequest(f"model '{model.name}' has no input '{name}'; it has: {', '.join(model.inputs)}")
        if name in inputs:
            raise InvalidRequest(f"input '{name}' comes twice")
        shape = _shape(spec, entry)
        size = _binary_data_size(name, entry)
        if size is None:
            array = array_from_json(spec, shape, entry.get("data"))
            if name in model.encoded_inputs:
                array = files_from_base64(spec, array)
        else:
            if start + size > len(body):
                left = len(body) - start
                raise InvalidTensor(name, f"binary_data_size is {size}, only {left} bytes of the body are left")
            array = array_from_bytes(spec, shape, body, start, size)
            start += size
        spec.check(array)
        inputs[name] = array
    if len(inputs) != len(model.inputs):
        missing = ", ".join(f"'{name}'" for name in model.inputs if name not in inputs)
        raise InvalidRequest(f"model '{model.name}' also needs input {missing}")
    if start != len(body):
        raise InvalidRequest(f"{len(body) - start} bytes follow the last binary tensor; no input accounts for them")
    return inputs


def _shape(spec: TensorSpec, entry: dict[str, Any]) -> tuple[int, ...]:
    datatype, shape = entry.get("datatype"), entry.get("shape")
    if datatype != spec.datatype:
        got = f"got '{datatype}'" if type(datatype) is str else "the request names none"
        raise InvalidTensor(spec.name, f"expected datatype {spec.datatype}, {got}")
    if type(shape) is not list or len(shape) != len(spec.shape):
        raise InvalidTensor(spec.name, f"shape must be a list of {len(spec.shape)} integers, as {list(spec.shape)}")
    for axis, size in enumerate(shape):
        if type(size) is not int or size < 0:
            raise InvalidTensor(spec.name, f"shape[{axis}] must be a positive integer")
        if size == 0:
            what = "the batch is empty: send at least one row" if axis == 0 else "the tensor has no elements"
            raise InvalidTensor(spec.name, f"shape {shape}: {what}")
    return tuple(shape)


def _binary_data_size(name: str, entry: dict[str, Any]) -> int | None:
    if "parameters" not in entry:
        return None
    parameters = members(entry["parameters"], f"'parameters' of input '{name}'")
    if "shared_memory_region" in parameters:
        raise InvalidTensor(name, "shared memory is not served; send the data in the body")
    size = parameters.get("binary_data_size")
    if size is None:
        return None
    if type(size) is not int or size < 0:
        raise InvalidTensor(name, "binary_data_size must be a whole number of bytes")
    if "data" in entry:
        raise InvalidTensor(name, "has both 'data' and 'binary_data_size'; send one of them")
    return size


def _decode_raw(model: ServedModel, body: bytes, budget: float | None) -> DecodedRequest:
    if len(model.inputs) != 1:
        raise InvalidRequest(f"a raw body needs a model of one input; '{model.name}' has {len(model.inputs)}")
    (spec,) = model.inputs.values()
    item = spec.shape[1:]
    if spec.datatype == "BYTES":
        if any(size not in (1, -1) for size in item):
            raise InvalidTensor(spec.name, f"a raw body is one BYTES element, the model takes {list(spec.shape)}")
        array = np.empty((1,) * len(spec.shape), dtype=object)
        array.flat[0] = body
    else:
        known = spec.dtype.itemsize
        for size in item:
            known *= max(size, 1)
        if item.count(-1) > 1 or not body or len(body) % known:
            expected = f"a multiple of {known} bytes for one row of {spec.datatype} {list(item)}"
            raise InvalidTensor(spec.name, f"a raw body must be {expected}, with one free size at most")
        shape = (1, *(len(body) // known if size == -1 else size for size in item))
        array = array_from_bytes(spec, shape, body, 0, len(body))
    plan = ResponsePlan(binary=True)
    return DecodedRequest(InferenceRequest({spec.name: array}, 1, 0, budget), plan)


def _json_data(name: str, array: Array) -> Any:
    if array.dtype != object:
        return array.reshape(-1)
    try:
        return [element.decode() for element in array.ravel()]
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"output '{name}' holds bytes that are no text; ask for it with binary_data") from error


def _joined(chunks: list[Chunk]) -> list[Chunk]:
    if sum(map(len, chunks)) < JOIN_BELOW_BYTES:
        return [b"".join(chunks)]
    return chunks
