"""What a request says beside its tensors: priority, time budget, which outputs, in which form.

Source: Open Inference Protocol v2, "Parameters"; Triton's schedule policy, binary data and classification extensions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from models.errors import InvalidRequest
from serve_app.ingress.dataplane import ServedModel

# Larger is later; a scheduler needs no more levels, and the number must fit every process's integer.
MAX_PRIORITY = 2**31 - 1

_NOTHING: Mapping[str, Any] = {}


class RequestedOutput(NamedTuple):
    """One output as the caller wants it.

    Attributes:
        binary: In the binary extension instead of JSON.
        num_classes: The k best classes instead of the values; 0: the values.
    """

    name: str
    binary: bool
    num_classes: int = 0


class ResponsePlan(NamedTuple):
    """The form of the answer.

    Attributes:
        id: The caller's id, to be sent back.
        outputs: Requested outputs in order; None: all, in the model's order.
        binary: Form of the outputs where `outputs` is None.
    """

    id: str | None = None
    outputs: tuple[RequestedOutput, ...] | None = None
    binary: bool = False


def members(value: object, what: str) -> Mapping[str, Any]:
    """The value as a JSON object; absent and null are an empty one."""
    if value is None:
        return _NOTHING
    if type(value) is not dict:
        raise InvalidRequest(f"{what} must be an object")
    return value


def boolean(parameters: Mapping[str, Any], key: str, default: bool) -> bool:
    """A parameter that is true or false."""
    value = parameters.get(key, default)
    if type(value) is not bool:
        raise InvalidRequest(f"parameter '{key}' must be true or false")
    return value


def priority(parameters: Mapping[str, Any]) -> int:
    """1 is the most urgent, larger is later, 0 the default; what is beyond `MAX_PRIORITY` is taken as that."""
    value = parameters.get("priority", 0)
    if type(value) is not int or value < 0:
        raise InvalidRequest("parameter 'priority' must be an integer: 1 is the most urgent, 0 the default")
    return min(value, MAX_PRIORITY)


def budget_s(parameters: Mapping[str, Any], header: bytes | None, default_s: float | None) -> float | None:
    """The caller's time budget, seconds: the smaller of parameter `timeout` and the header, else the default.

    Args:
        parameters: The request's; `timeout` is in microseconds, 0 means not set (Triton's convention).
        header: Value of `x-request-timeout-seconds`.
    """
    budgets_s = []
    if "timeout" in parameters:
        timeout_us = parameters["timeout"]
        if type(timeout_us) is not int or timeout_us < 0:
            raise InvalidRequest("parameter 'timeout' must be an integer of microseconds")
        if timeout_us:
            budgets_s.append(timeout_us / 1e6)
    if header is not None:
        header_s = _seconds(header)
        # Serve reads this header as well, and would end the request at that very time with plain text: be first.
        budgets_s.append(header_s - min(0.05, 0.2 * header_s))
    return min(budgets_s) if budgets_s else default_s


def requested_outputs(model: ServedModel, entries: object, binary: bool) -> tuple[RequestedOutput, ...] | None:
    """Read the `outputs` field; None where it is absent or empty, which asks for all.

    Args:
        binary: The request's `binary_data_output`, which each output may override.
    """
    if entries is None or entries == []:
        return None
    if type(entries) is not list:
        raise InvalidRequest("'outputs' must be a list of objects")
    outputs: dict[str, RequestedOutput] = {}
    for entry in entries:
        output = _requested_output(model, entry, binary)
        if output.name in outputs:
            raise InvalidRequest(f"output '{output.name}' is requested twice")
        outputs[output.name] = output
    return tuple(outputs.values())


def check_forms(model: ServedModel, plan: ResponsePlan) -> None:
    """Refuse, before anything runs, an answer that JSON cannot carry or a class list of values without order."""
    outputs = plan.outputs or [RequestedOutput(name, plan.binary) for name in model.outputs]
    for name, binary, num_classes in outputs:
        datatype = model.outputs[name].datatype
        if num_classes and datatype in ("BYTES", "BOOL"):
            raise InvalidRequest(f"output '{name}' is {datatype}: parameter 'classification' needs numbers")
        if datatype in ("FP16", "BF16") and not binary and not num_classes:
            raise InvalidRequest(f"output '{name}' is {datatype}, which has no JSON form; ask for it with binary_data")


def _requested_output(model: ServedModel, entry: object, binary: bool) -> RequestedOutput:
    if type(entry) is not dict or type(entry.get("name")) is not str:
        raise InvalidRequest("each of 'outputs' must be an object with a 'name' that is a string")
    name = entry["name"]
    if name not in model.outputs:
        raise InvalidRequest(f"model '{model.name}' has no output '{name}'; it has: {', '.join(model.outputs)}")
    parameters = members(entry.get("parameters"), f"'parameters' of output '{name}'")
    if "shared_memory_region" in parameters:
        raise InvalidRequest(f"output '{name}': shared memory is not served")
    num_classes = parameters.get("classification", 0)
    if type(num_classes) is not int or num_classes < 0:
        raise InvalidRequest(f"output '{name}': parameter 'classification' must be a positive integer")
    return RequestedOutput(name, boolean(parameters, "binary_data", binary), num_classes)


def _seconds(header: bytes) -> float:
    try:
        value = float(header)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise InvalidRequest("header 'x-request-timeout-seconds' must be a positive number of seconds")
    return value
