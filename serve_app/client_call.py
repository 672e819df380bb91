"""What the Python client knows without Ray: the served models, how a call to one is made, and what comes of it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.errors import HeadraceError, InvalidRequest, ModelUnavailable, UnknownModel
from models.tensor import Array, TensorSpec, as_datatype, num_bytes
from serve_app.conversion import to_inputs
from serve_app.messages import InferenceResponse

# By value wins below about a megabyte; above 4 MiB it fails (Serve's limit of one message), either way.
MAX_BY_VALUE_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Timing:
    """Where a request's time went, seconds.

    Attributes:
        queue_s: Wait for a batch.
        compute_s: Time of the batches that the request was part of.
        preprocess_s: Tokenisation, or image decoding.
        total_s: From the call to its answer, in this process.
    """

    queue_s: float
    compute_s: float
    preprocess_s: float
    total_s: float


@dataclass(frozen=True, slots=True)
class InferenceResult:
    """An answer.

    Attributes:
        outputs: Output name to array, axis 0 the rows of the request. Large ones are read-only: they lie in shared
            memory, which is free again when they are dropped.
        version: The version that answered.
        batch_rows: Rows of the largest batch that the request was part of.
    """

    outputs: dict[str, Array]
    model: str
    version: str
    timing: Timing
    batch_rows: int


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One served model version; without tensors where its manifest cannot be read."""

    name: str
    version: str
    ready: bool
    reason: str
    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]


@dataclass(frozen=True, slots=True)
class Call:
    """One inference, ready to be sent.

    Attributes:
        arguments: Of the router's `infer`.
        by_reference: Request or answer is too large for a message.
        started_s: When the caller asked, on this process's monotonic clock.
    """

    model: str
    arguments: tuple[Any, ...]
    by_reference: bool
    timeout_s: float | None
    started_s: float

    def result(self, answer: tuple[str, InferenceResponse]) -> InferenceResult:
        """What the caller gets of the router's answer."""
        version, response = answer
        total_s = time.perf_counter() - self.started_s
        timing = Timing(response.queue_s, response.compute_s, response.preprocess_s, total_s)
        return InferenceResult(response.outputs, self.model, version, timing, response.batch_rows)


class KnownModels:
    """What the router last said of its models."""

    def __init__(self) -> None:
        self._models: dict[str, list[ModelInfo]] = {}

    def __contains__(self, model: str) -> bool:
        return model in self._models

    def learn(self, rows: Iterable[Mapping[str, Any]]) -> list[ModelInfo]:
        """Take the router's description of every model version."""
        infos = [_model_info(row) for row in rows]
        self._models = {}
        for info in infos:
            self._models.setdefault(info.name, []).append(info)
        return infos

    def forget(self, error: HeadraceError) -> None:
        """A refusal may mean that the models have changed: then nothing is known."""
        if isinstance(error, InvalidRequest | UnknownModel):
            self._models = {}

    def call(
        self,
        model: str,
        values: object,
        version: str | None,
        outputs: Sequence[str] | None,
        timeout_s: float | None,
        priority: int,
    ) -> Call:
        """Make a call of what a caller gave.

        Raises:
            UnknownModel: There is no such model.
            ModelUnavailable: Not even its inputs are known.
            InvalidRequest: The values do not fit its inputs.
        """
        started_s = time.perf_counter()
        if model not in self._models:
            raise UnknownModel(model, None, tuple(self._models))
        infos = self._models[model]
        described = [info for info in infos if info.inputs]
        if not described:
            raise ModelUnavailable(model, infos[-1].version, infos[-1].reason)
        # A label is resolved by the router; the newest version then stands for all.
        info = next((info for info in described if info.version == version), described[-1])
        inputs = to_inputs(info.inputs, values)
        by_reference = _largest_message_bytes(info, inputs) > MAX_BY_VALUE_BYTES
        return Call(model, (model, inputs, version, outputs, priority, timeout_s), by_reference, timeout_s, started_s)


def any_ready(infos: Iterable[ModelInfo], model: str, version: str | None) -> bool:
    """Whether a version of a model (None: any) can answer.

    Raises:
        UnknownModel: There is no such model or version.
    """
    infos = list(infos)
    found = [info for info in infos if info.name == model and version in (None, info.version)]
    if not found:
        versions = [info.version for info in infos if info.name == model]
        known = versions or [info.name for info in infos]
        raise UnknownModel(model, version if versions else None, tuple(dict.fromkeys(known)))
    return any(info.ready for info in found)


def _model_info(row: Mapping[str, Any]) -> ModelInfo:
    sides = [
        {
            name: TensorSpec(name, as_datatype(datatype), tuple(shape))
            for name, (datatype, shape) in row.get(side, {}).items()
        }
        for side in ("inputs", "outputs")
    ]
    return ModelInfo(row["name"], row["version"], row["ready"], row["reason"], *sides)


def _largest_message_bytes(info: ModelInfo, inputs: Mapping[str, Array]) -> int:
    """Size of the request or of its answer, whichever is larger; a free dimension counts as in the inputs."""
    request_bytes = sum(num_bytes(array) for array in inputs.values())
    num_rows = max((len(array) for array in inputs.values()), default=0)
    response_bytes = 0
    for spec in info.outputs.values():
        if -1 in spec.shape[1:]:
            response_bytes += request_bytes
        else:
            response_bytes += num_rows * math.prod(spec.shape[1:]) * spec.dtype.itemsize
    return max(request_bytes, response_bytes)
