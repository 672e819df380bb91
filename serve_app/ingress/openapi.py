"""The OpenAPI 3.1 document: every path, for tools that make clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def openapi_document(overview: Mapping[str, Any], base_url: str) -> dict[str, Any]:
    """The OpenAPI 3.1 description of every path."""
    names = [model["name"] for model in overview["models"]]
    model_parameter = _path_parameter("model", {"type": "string", "enum": names} if names else {"type": "string"})
    version_parameter = _path_parameter("version", {"type": "string", "description": "A version or a label."})
    paths: dict[str, Any] = {
        "/predict": {"post": _operation("Predict, the simple form", "PredictRequest", "PredictResponse")},
        "/health": {"get": _operation("Whether the process lives")},
        "/ready": {"get": _operation("Whether every model can answer")},
        "/startup": {"get": _operation("Whether every model was ready once")},
        "/metrics": {"get": _operation("Metrics in Prometheus' text form")},
        "/autoscaling": {"get": _operation("How many replicas the scaling policies want, and why")},
        "/v2": {"get": _operation("Server metadata")},
        "/v2/health/live": {"get": _operation("Whether the server lives")},
        "/v2/health/ready": {"get": _operation("Whether every model can answer")},
        "/v2/models": {"get": _operation("Names of the served models")},
    }
    for prefix, parameters in (
        ("/v2/models/{model}", [model_parameter]),
        ("/v2/models/{model}/versions/{version}", [model_parameter, version_parameter]),
    ):
        infer = _operation("Infer", "InferenceRequest", "InferenceResponse")
        paths[prefix] = {"parameters": parameters, "get": _operation("Inputs and outputs of a model")}
        paths[f"{prefix}/ready"] = {"parameters": parameters, "get": _operation("Whether the model can answer")}
        paths[f"{prefix}/infer"] = {"parameters": parameters, "post": infer}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Headrace", "version": overview["version"]},
        "servers": [{"url": base_url}],
        "paths": paths,
        "components": {"schemas": _SCHEMAS},
    }


def _path_parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _content(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _operation(summary: str, request: str | None = None, response: str | None = None) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": "OK"}
    if response:
        answer["content"] = _content(response)
    failure = {"description": "The error in one sentence", "content": _content("Error")}
    operation: dict[str, Any] = {"summary": summary, "responses": {"200": answer, "default": failure}}
    if request:
        operation["requestBody"] = {"required": True, "content": _content(request)}
    return operation


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties}


_STRING = {"type": "string"}
_PARAMETERS = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
_TENSOR = _object(
    ["name", "shape", "datatype"],
    name=_STRING,
    shape={"type": "array", "items": {"type": "integer"}},
    datatype=_STRING,
    parameters=_PARAMETERS,
    data={"type": "array"},
)
_TENSORS = {"type": "array", "items": _TENSOR}

_SCHEMAS: dict[str, Any] = {
    "Error": _object(["error"], error=_STRING),
    "PredictRequest": _object(["model_id", "input_data"], model_id=_STRING, input_data={}),
    "PredictResponse": _object(
        ["prediction", "model_id", "inference_time", "timestamp"],
        prediction={},
        model_id=_STRING,
        inference_time={"type": "number", "description": "Seconds."},
        timestamp={"type": "string", "format": "date-time"},
    ),
    "InferenceRequest": _object(
        ["inputs"],
        id=_STRING,
        parameters=_PARAMETERS,
        inputs=_TENSORS,
        outputs={"type": "array", "items": _object(["name"], name=_STRING, parameters=_PARAMETERS)},
    ),
    "InferenceResponse": _object(
        ["model_name", "outputs"], model_name=_STRING, model_version=_STRING, id=_STRING, outputs=_TENSORS
    ),
}
