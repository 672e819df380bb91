"""`POST /predict`: the simple form, in which the shape of the data says what it is.

    {"model_id": "minilm:2", "input_data": "one text"}  ->  {"prediction": [...], "model_id": ..., ...}

`input_data` is an object of input name to value, or the bare value where the model has one input. A value with one
dimension less than the input declares is one row; the prediction then comes without the batch axis too.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import orjson

from models.errors import InvalidRequest, InvalidTensor
from models.tensor import Array, TensorSpec
from serve_app.ingress.classification import best, label_of, readable
from serve_app.ingress.codec import num_rows, output_array, parse_object
from serve_app.ingress.dataplane import ServedModel
from serve_app.ingress.json_tensor import array_from_json, files_from_base64, infer_shape
from serve_app.messages import InferenceResponse

# Classes listed for an output that has labels.
NUM_BEST = 5

_FORM = 'the body must be {"model_id": "name" or "name:version", "input_data": ...}'


class PredictBody(NamedTuple):
    """The envelope, read but not yet held against a model.

    Attributes:
        model_id: As the caller wrote it.
        version: A version or a label; None: the model's default.
    """

    model_id: str
    model: str
    version: str | None
    input_data: object


class PredictInputs(NamedTuple):
    """The arrays.

    Attributes:
        is_one_row: The values came without the batch axis.
    """

    inputs: dict[str, Array]
    num_rows: int
    is_one_row: bool


def parse_predict(body: bytes) -> PredictBody:
    """Read the envelope.

    Raises:
        InvalidRequest: It is not one; the sentence shows the form.
    """
    document = parse_object(body)
    if "input_data" not in document:
        raise InvalidRequest(f"'input_data' is missing; {_FORM}")
    model_id = document.get("model_id")
    if type(model_id) is not str:
        raise InvalidRequest(f"'model_id' must be a string; {_FORM}")
    name, colon, version = model_id.partition(":")
    if not name or (colon and not version):
        raise InvalidRequest("'model_id' must be a model's name, or name:version, or name:label")
    return PredictBody(model_id, name, version or None, document["input_data"])


def decode_predict(model: ServedModel, input_data: object) -> PredictInputs:
    """Make arrays of the values, one row or a batch of them.

    Raises:
        InvalidRequest: A value is missing, unknown, or not of its input's shape and datatype.
    """
    values = _values_by_name(model, input_data)
    inputs: dict[str, Array] = {}
    one_row: dict[str, bool] = {}
    for name, spec in model.inputs.items():
        shape = infer_shape(values[name])
        rank = len(spec.shape)
        if len(shape) not in (rank - 1, rank):
            takes = f"one row of shape {list(spec.shape[1:])} or a list of such rows"
            raise InvalidTensor(name, f"input_data must be {takes}, got a value of shape {list(shape)}")
        if 0 in shape:
            raise InvalidTensor(name, "the list is empty: send at least one value")
        one_row[name] = len(shape) == rank - 1
        data, full = ([values[name]], (1, *shape)) if one_row[name] else (values[name], shape)
        array = array_from_json(spec, full, data)
        if name in model.encoded_inputs:
            array = files_from_base64(spec, array)
        spec.check(array)
        inputs[name] = array
    if len(set(one_row.values())) != 1:
        kinds = ", ".join(f"'{name}' is {'one row' if one else 'a list of rows'}" for name, one in one_row.items())
        raise InvalidRequest(f"inputs must all be one row, or all a list of rows: {kinds}")
    return PredictInputs(inputs, num_rows(inputs), any(one_row.values()))


def encode_prediction(
    model: ServedModel, model_id: str, is_one_row: bool, response: InferenceResponse, inference_s: float, now: datetime
) -> bytes:
    """Write the answer; NaN and infinity, which JSON does not have, become null.

    Args:
        is_one_row: Leave the batch axis away.
        inference_s: Time from handing the request to the platform to its answer, seconds.
        now: With its time zone.

    Raises:
        InferenceFailed: The outputs are not what the model declares, or scores to be ranked are NaN.
    """
    outputs: dict[str, Any] = {}
    for name, spec in model.outputs.items():
        rows = _rows(model, spec, output_array(model, spec, response))
        outputs[name] = rows[0] if is_one_row else rows
    document = {
        "prediction": outputs if len(outputs) > 1 else next(iter(outputs.values())),
        "model_id": model_id,
        "inference_time": inference_s,
        "timestamp": now.isoformat(),
    }
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)


def _values_by_name(model: ServedModel, input_data: object) -> dict[str, Any]:
    names = ", ".join(model.inputs)
    if type(input_data) is not dict:
        if len(model.inputs) != 1:
            raise InvalidRequest(f"'input_data' must be an object with a value for each input: {names}")
        return {next(iter(model.inputs)): input_data}
    for name in input_data:
        if name not in model.inputs:
            raise InvalidRequest(f"model '{model.name}' has no input '{name}'; it has: {names}")
    for name in model.inputs:
        if name not in input_data:
            raise InvalidRequest(f"'input_data' lacks input '{name}'; the model takes: {names}")
    return input_data


def _rows(model: ServedModel, spec: TensorSpec, array: Array) -> Any:
    """One output as JSON takes it, axis 0 outermost."""
    labels = model.class_labels.get(spec.name)
    if labels is not None:
        indices, scores = best(model, spec, array, NUM_BEST)
        return [
            [
                {"label": label_of(labels, index), "index": index, "score": score}
                for index, score in zip(row, row_scores, strict=True)
            ]
            for row, row_scores in zip(indices.tolist(), scores, strict=True)
        ]
    if spec.datatype == "BYTES":
        return _texts(spec.name, array.tolist())
    return readable(spec, array)


def _texts(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_texts(name, element) for element in value]
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        reason = f"output '{name}' holds bytes that are no text; ask for it with /v2 and binary_data"
        raise InvalidRequest(reason) from error
