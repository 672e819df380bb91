"""Answers as a person reads them in a terminal: a table of models, bars for classes, a summary of long rows."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

_BAR_CHARS = 24
_SHOWN_VALUES = 6
_MAX_ROW_NAME_CHARS = 60


def models_table(models: Sequence[Mapping[str, Any]]) -> str:
    """One line a model: name, versions, state with its reason, tensors."""
    if not models:
        return "no model is served"
    head = ("MODEL", "VERSIONS", "STATE", "INPUTS", "OUTPUTS")
    rows = [head, *(_model_row(model) for model in models)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    reasons = [f"{model['name']}: {model['reason']}" for model in models if not model["ready"] and model["reason"]]
    return "\n".join([*lines, *([""] if reasons else []), *reasons])


def answer_text(answer: Mapping[str, Any], row_names: Sequence[str]) -> str:
    """An answer of `/predict` to a batch.

    Args:
        answer: Its JSON.
        row_names: What the rows are called; empty: they are numbered.
    """
    prediction = answer["prediction"]
    outputs = prediction if isinstance(prediction, dict) else {"": prediction}
    num_rows = max((len(rows) for rows in outputs.values()), default=0)
    lines = []
    for row in range(num_rows):
        name = row_names[row] if row < len(row_names) else f"row {row}"
        lines.append(name if len(name) <= _MAX_ROW_NAME_CHARS else name[: _MAX_ROW_NAME_CHARS - 3] + "...")
        for output, rows in outputs.items():
            lines += [f"  {line}" for line in _value_lines(output, rows[row])]
    lines.append(f"{answer['model_id']} answered in {answer['inference_time'] * 1e3:.1f} ms")
    return "\n".join(lines)


def _model_row(model: Mapping[str, Any]) -> tuple[str, ...]:
    state = "ready" if model["ready"] else "not ready"
    tensors = [_tensors(model.get(side, ())) for side in ("inputs", "outputs")]
    return (model["name"], ",".join(model.get("versions", ())) or "-", state, *tensors)


def _tensors(tensors: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{tensor['name']} {tensor['datatype']}{list(tensor['shape'])}" for tensor in tensors) or "-"


def _value_lines(output: str, value: Any) -> list[str]:
    label = f"{output}: " if output else ""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [*([label.strip()] if label else []), *_class_lines(value)]
    if not isinstance(value, list):
        return [f"{label}{value}"]
    return [label + _summary(value)]


def _class_lines(classes: Sequence[Mapping[str, Any]]) -> list[str]:
    names = [str(found["label"] if found["label"] is not None else found["index"]) for found in classes]
    width = max(map(len, names))
    return [
        f"{name.ljust(width)}  {found['score']:8.4f}  {_bar(found['score'])}".rstrip()
        for name, found in zip(names, classes, strict=True)
    ]


def _bar(score: float) -> str:
    """A bar for a score from 0 to 1; others, logits for instance, have no full length."""
    return "█" * round(score * _BAR_CHARS) if 0 <= score <= 1 else ""


def _summary(value: Sequence[Any]) -> str:
    """A row of values: its shape, its length as a vector, and its beginning."""
    shape: list[int] = []
    level: Any = value
    while isinstance(level, list):
        shape.append(len(level))
        level = level[0] if level else None
    flat = _flatten(value)
    if len(flat) <= _SHOWN_VALUES:
        return ", ".join(_number(element) for element in flat)
    first = ", ".join(_number(element) for element in flat[:_SHOWN_VALUES])
    norm = ""
    if all(isinstance(element, int | float) for element in flat):
        norm = f", norm {math.sqrt(math.fsum(element * element for element in flat)):.4f}"
    return f"{' x '.join(map(str, shape))} values{norm}: {first}, ..."


def _flatten(value: Any) -> list[Any]:
    return [element for part in value for element in _flatten(part)] if isinstance(value, list) else [value]


def _number(element: Any) -> str:
    return f"{element:.4f}" if isinstance(element, float) else str(element)


def scaling_text(deployment: Mapping[str, Any]) -> str:
    """One deployment's decision that holds, and the changes before it, each with its local time."""
    lines = [deployment["deployment"]]
    if deployment["num_errors"]:
        lines.append(f"  the policy failed {deployment['num_errors']} times and keeps the number; Serve's log says why")
    now = deployment["now"]
    if now is None:
        return "\n".join([*lines, "  nothing decided yet"])
    lines.append(
        f"  {now['rate_per_s']:.4g} rows/s, at most {now['bound_per_s']:.4g} expected within {now['lead_s']:.3g} s "
        f"(confidence {now['confidence']:.2f}, {now['predictor']}); a replica carries {now['replica_per_s']:.4g} rows/s"
    )
    lines += [
        f"  {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(change['at_s']))}  {change['words']}"
        for change in deployment["changes"]
    ]
    return "\n".join(lines)
