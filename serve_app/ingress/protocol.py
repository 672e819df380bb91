"""The protocol's paths, and the JSON of everything that is not inference.

Source: Open Inference Protocol v2, "HTTP/REST"; `GET /v2/models` is KServe's addition.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from models.errors import ModelUnavailable
from models.tensor import TensorSpec
from serve_app.ingress.dataplane import Dataplane, ServedModel

SERVER_NAME = "headrace"
EXTENSIONS = ("binary_tensor_data", "classification", "schedule_policy")

Endpoint = Literal[
    "page", "openapi", "metrics", "autoscaling", "health", "ready", "startup", "predict",
    "server", "server_live", "server_ready", "models", "model", "model_ready", "infer", "nothing",
]  # fmt: skip

POST_ENDPOINTS: frozenset[Endpoint] = frozenset(("infer", "predict"))

# Longer paths are parsed each time, so that the cache's size in bytes is bounded too.
_MAX_CACHED_PATH_CHARS = 300


class Route(NamedTuple):
    """What a path names; model and version are as the caller wrote them, and may not exist."""

    endpoint: Endpoint
    model: str = ""
    version: str | None = None


NOTHING = Route("nothing")

_FIXED: dict[str, Route] = {
    "": Route("page"),
    "/openapi.json": Route("openapi"),
    "/metrics": Route("metrics"),
    "/autoscaling": Route("autoscaling"),
    "/health": Route("health"),
    "/ready": Route("ready"),
    "/startup": Route("startup"),
    "/predict": Route("predict"),
    "/v2": Route("server"),
    "/v2/health/live": Route("server_live"),
    "/v2/health/ready": Route("server_ready"),
    "/v2/models": Route("models"),
}

_MODEL_ENDPOINTS: dict[str, Endpoint] = {"": "model", "ready": "model_ready", "infer": "infer"}


def find_route(path: str) -> Route:
    """What a path (percent-decoded, relative to the application's root) names; "nothing" for an unknown path."""
    return _cached_route(path) if len(path) <= _MAX_CACHED_PATH_CHARS else _parse(path)


def relative_path(path: str, root_path: str) -> str:
    """The path below the application's root, whether the server left the root in `path` (ASGI 3) or took it off."""
    if root_path and path.startswith(root_path):
        rest = path[len(root_path) :]
        if not rest or rest.startswith("/"):
            return rest
    return path


def server_metadata(version: str) -> dict[str, Any]:
    """Body of `GET /v2`."""
    return {"name": SERVER_NAME, "version": version, "extensions": EXTENSIONS}


def model_metadata(model: ServedModel) -> dict[str, Any]:
    """Body of `GET /v2/models/{m}`."""
    return {
        "name": model.name,
        "versions": model.versions,
        "platform": model.platform,
        "inputs": tensors(model.inputs.values()),
        "outputs": tensors(model.outputs.values()),
        "properties": dict(model.properties),
    }


def tensors(specs: Iterable[TensorSpec]) -> list[dict[str, Any]]:
    """Specifications as the protocol writes them."""
    return [{"name": spec.name, "datatype": spec.datatype, "shape": spec.shape} for spec in specs]


def overview(dataplane: Dataplane, version: str) -> dict[str, Any]:
    """Body of `GET /` for programs: every model with its state and how it is called."""
    return {
        **server_metadata(version),
        "models": [_model_overview(dataplane, name) for name in dataplane.model_names()],
        "endpoints": [*(path for path in _FIXED if path), "/v2/models/{model}[/versions/{version}][/ready|/infer]"],
    }


def _model_overview(dataplane: Dataplane, name: str) -> dict[str, Any]:
    readiness = dataplane.readiness(name, None)
    state = {"name": name, "ready": readiness.ready, "reason": readiness.reason}
    try:
        model = dataplane.find(name, None)
    except ModelUnavailable as error:
        return {**state, "reason": error.reason}
    return {**model_metadata(model), **state, "encoded_inputs": sorted(model.encoded_inputs)}


@lru_cache(maxsize=256)
def _cached_route(path: str) -> Route:
    return _parse(path)


def _parse(path: str) -> Route:
    path = path.removesuffix("/")
    if path in _FIXED:
        return _FIXED[path]
    if not path.startswith("/v2/models/"):
        return NOTHING
    name, *rest = path.removeprefix("/v2/models/").split("/")
    version = None
    if len(rest) >= 2 and rest[0] == "versions":
        version, rest = rest[1], rest[2:]
    if len(rest) > 1 or not name or version == "":
        return NOTHING
    endpoint = _MODEL_ENDPOINTS.get(rest[0] if rest else "")
    return Route(endpoint, name, version) if endpoint else NOTHING
