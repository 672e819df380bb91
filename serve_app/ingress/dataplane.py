"""What the wire asks of the platform: the interface that the router implements and the ingress calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from models.tensor import TensorSpec
from serve_app.messages import InferenceRequest, InferenceResponse


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What a caller may know of one served model version.

    Attributes:
        versions: Every served version of the model, oldest first.
        platform: OIP's informative `<project>_<format>` string.
        inputs: Input name to specification, in the manifest's order.
        outputs: Output name to specification, in the manifest's order.
        class_labels: Output name to class names, for outputs that have them.
        encoded_inputs: Names of BYTES inputs whose elements are encoded files (images), not text.
        properties: Manifest metadata for people: description, licence, source, metrics as strings.
    """

    name: str
    version: str
    versions: tuple[str, ...]
    platform: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    class_labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    encoded_inputs: frozenset[str] = frozenset()
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether something can answer now, and if not, why."""

    ready: bool
    reason: str = ""


class Dataplane(Protocol):
    """The platform behind the wire."""

    def model_names(self) -> tuple[str, ...]:
        """Names of all served models, those that failed to load included."""
        ...

    def find(self, model: str, version: str | None) -> ServedModel:
        """Choose the model version that answers.

        Args:
            version: A version, a label (`stable`, `canary`, `latest`), or None for the model's default.

        Raises:
            UnknownModel: No such model, version or label.
            ModelUnavailable: It is known, but so broken that not even its inputs are known (its manifest is wrong).
        """
        ...

    async def infer(self, model: ServedModel, request: InferenceRequest) -> InferenceResponse:
        """Answer one request, whose inputs were checked against `model.inputs`.

        Raises:
            HeadraceError: Why there is no answer.
        """
        ...

    def readiness(self, model: str, version: str | None) -> Readiness:
        """Whether this model version (None: the default one) can answer. Raises UnknownModel."""
        ...

    def platform_readiness(self) -> Readiness:
        """Whether every model can answer."""
        ...

    def traffic_readiness(self) -> Readiness:
        """Whether requests should be sent here: all has started, and some model can answer.

        A model that cannot load must not take the others from their callers.
        """
        ...

    def started(self) -> bool:
        """Whether every model was ready (or had failed for good) once since the start."""
        ...

    def record(self, model: str, version: str, status: int, latency_s: float) -> None:
        """Count one finished inference request; model and version are "" where the request named none that exists."""
        ...

    async def drain(self) -> None:
        """Refuse new requests, and return when every accepted one has its answer."""
        ...

    async def metrics(self) -> tuple[bytes, str]:
        """All replicas' metrics in Prometheus' text form, and its content type."""
        ...

    async def autoscaling(self) -> list[dict[str, Any]]:
        """Every deployment that follows its load: its name, its last decision and the changes before, as plain data."""
        ...
