"""From what a person types to a request: texts, image files and JSON values find the inputs that take them."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serve_app.ingress.json_tensor import infer_shape
from serve_app.wire_client import WireClient


class InputError(Exception):
    """What was typed does not make a request; the sentence says what to type."""


@dataclass(frozen=True, slots=True)
class Question:
    """One call as it was typed.

    Attributes:
        version: Version or label; None: the default.
        values: JSON text, `@file`, or `-` for standard input.
    """

    model: str
    version: str | None = None
    texts: tuple[str, ...] = ()
    images: tuple[Path, ...] = ()
    values: str | None = None


@dataclass(frozen=True, slots=True)
class _Inputs:
    """Input name to a batch: JSON values, and files."""

    values: dict[str, list[Any]]
    files: dict[str, list[bytes]]


def ask_for_people(client: WireClient, question: Question) -> tuple[dict[str, Any], list[str]]:
    """Ask by `/predict`, which names classes.

    Returns:
        The answer, and what the rows are called.

    Raises:
        InputError: What was typed fits no input.
        WireError: The platform gave no answer, or refused.
    """
    inputs = _inputs(_metadata(client, question), question)
    encoded = {name: [base64.b64encode(file).decode() for file in files] for name, files in inputs.files.items()}
    data = {**inputs.values, **encoded}
    rows = [str(path) for path in question.images] or list(question.texts)
    return client.predict(question.model, question.version, data), rows


def ask_for_programs(client: WireClient, question: Question) -> dict[str, Any]:
    """Ask by the Open Inference Protocol, files in binary; the answer is the platform's own.

    Raises:
        InputError: What was typed fits no input.
        WireError: The platform gave no answer, or refused.
    """
    metadata = _metadata(client, question)
    inputs = _inputs(metadata, question)
    entries = [
        {"name": tensor["name"], "datatype": tensor["datatype"], "shape": infer_shape(data), "data": data}
        for tensor in metadata["inputs"]
        if (data := inputs.values.get(tensor["name"])) is not None
    ]
    return client.infer(question.model, question.version, entries, inputs.files)


def _metadata(client: WireClient, question: Question) -> dict[str, Any]:
    """The version's tensors, and which inputs take files."""
    metadata = client.metadata(question.model, question.version)
    models = client.overview()["models"]
    found: dict[str, Any] = next((model for model in models if model["name"] == question.model), {})
    return {**metadata, "encoded_inputs": found.get("encoded_inputs", [])}


def _inputs(metadata: Mapping[str, Any], question: Question) -> _Inputs:
    tensors = {tensor["name"]: tensor for tensor in metadata["inputs"]}
    values = _json_inputs(list(tensors.values()), question)
    files: dict[str, list[bytes]] = {}
    encoded: set[str] = set(metadata["encoded_inputs"])
    strings = [name for name, tensor in tensors.items() if tensor["datatype"] == "BYTES"]
    if question.texts:
        name = _only(question, "--text", [name for name in strings if name not in encoded], tensors)
        values[name] = list(question.texts)
    if question.images:
        name = _only(question, "--image", [name for name in strings if name in encoded], tensors)
        files[name] = [_read(path) for path in question.images]
    missing = [name for name in tensors if name not in values and name not in files]
    if missing:
        takes = ", ".join(f"{name} ({tensors[name]['datatype']} {tensors[name]['shape']})" for name in missing)
        raise InputError(
            f"model '{question.model}' also takes {takes}; give it with {_option(missing[0], strings, encoded)}"
        )
    return _Inputs(values, files)


def _option(name: str, strings: Sequence[str], encoded: set[str]) -> str:
    if name not in strings:
        return "--json"
    return "--image FILE" if name in encoded else "--text TEXT"


def _only(question: Question, option: str, names: Sequence[str], tensors: Mapping[str, Any]) -> str:
    if len(names) == 1:
        return names[0]
    inputs = ", ".join(f"{tensor['name']} ({tensor['datatype']} {tensor['shape']})" for tensor in tensors.values())
    fault = "no input takes it" if not names else f"{' and '.join(names)} could take it, say which with --json"
    raise InputError(f"{option} does not fit model '{question.model}': {fault}; its inputs: {inputs}")


def _json_inputs(tensors: Sequence[Mapping[str, Any]], question: Question) -> dict[str, list[Any]]:
    if question.values is None:
        return {}
    data = _parse(question.values)
    if not isinstance(data, dict):
        if len(tensors) != 1:
            names = ", ".join(tensor["name"] for tensor in tensors)
            raise InputError(f"--json must be an object with a value for each input of '{question.model}': {names}")
        data = {tensors[0]["name"]: data}
    shapes = {tensor["name"]: tensor["shape"] for tensor in tensors}
    for name in data:
        if name not in shapes:
            raise InputError(f"model '{question.model}' has no input '{name}'; it has: {', '.join(shapes)}")
    # A value with one dimension less than the input is one row.
    return {
        name: [value] if len(infer_shape(value)) == len(shapes[name]) - 1 else value for name, value in data.items()
    }


def _parse(text: str) -> Any:
    source = "--json"
    if text == "-":
        source, text = "standard input", sys.stdin.read()
    elif text.startswith("@"):
        source = text[1:]
        text = _read(Path(source)).decode(errors="replace")
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"{source} is not JSON: {error}") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
