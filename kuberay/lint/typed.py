"""What pydantic says of settings, as faults with places, and with the key that was meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from kuberay.lint.finding import Problem
from kuberay.lint.place import Path, Place, written
from kuberay.lint.structure import Fault
from kuberay.lint.suggest import closest, respelt

Model = type[BaseModel]


def faults_of_error(error: ValidationError, place: Place, model: Model) -> Iterator[Fault]:
    """Each of pydantic's errors as the fault of a rule.

    Args:
        place: Where the settings stand.
    """
    for item in error.errors(include_url=False):
        yield _fault(item, place, model)


def _fault(item: ErrorDetails, root: Place, model: Model) -> Fault:
    path = tuple(part for part in item["loc"])
    place = root.at(*path)
    name = written(path[-1:]) if path else "the settings"
    kind = item["type"]
    if kind == "extra_forbidden":
        return _unknown(place, root, path, model)
    if kind == "missing":
        return Fault("missing-key", Problem(place, f"{name} is not set", f"add {name}"))
    if kind == "value_error":
        return Fault("settings-contradiction", Problem(place, item["msg"].removeprefix("Value error, ")))
    if kind == "string_too_long":
        most = item["ctx"]["max_length"]
        sentence = f"{name} has {len(str(item['input']))} characters, over {most}"
        return Fault("bad-value", Problem(place, sentence, f"shorten it to {most} characters"))
    if kind == "literal_error":
        meant = closest(str(item["input"]), item["ctx"]["expected"].replace("'", "").replace(",", "").split(" "))
        fix = f"did you mean {meant}?" if meant else f"use one of {item['ctx']['expected']}"
        return Fault("bad-value", Problem(place, f"{name} is '{item['input']}'", fix))
    if kind == "string_type" and isinstance(item["input"], (int, float)):
        fix = f'write it in quotes: "{item["input"]}"'
        return Fault("wrong-type", Problem(place, f"{name} is read as a number or a truth value", fix))
    rule = "wrong-type" if kind.endswith(("_type", "_parsing")) else "bad-value"
    return Fault(rule, Problem(place, f"{name}: {item['msg'].removeprefix('Value error, ')}"))


def _unknown(place: Place, root: Place, path: Path, model: Model) -> Fault:
    key = str(path[-1])
    fields = _model_at(model, path[:-1]).model_fields
    home = _home(key, root, path[:-1], model)
    meant = closest(key, fields)
    if meant is not None and (home is None or respelt(key, fields)):
        return Fault("unknown-key", Problem(place, f"{key} is no option here", f"did you mean {meant}?"))
    if home is not None:
        return Fault("misplaced-key", Problem(place, f"{key} is no option here", f"move it to {home or 'the top'}"))
    return Fault("unknown-key", Problem(place, f"{key} is no option here", f"use one of: {', '.join(fields)}"))


def _home(key: str, root: Place, path: Path, model: Model) -> str | None:
    """Where a key is known, nearest to where it stands."""
    for end in range(len(path), -1, -1):
        above = written((*root.path, *path[:end])) if root.path or end else ""
        for where, below in _models(_model_at(model, path[:end]), above):
            if key in below.model_fields:
                return where
    return None


def _model_at(model: Model, path: Path) -> Model:
    """The model that stands at a path; the nearest above it where none does."""
    for key in path:
        field = model.model_fields.get(key) if isinstance(key, str) else None
        model = next(_inside(field.annotation), model) if field is not None else model
    return model


def _inside(annotation: Any) -> Iterator[Model]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _inside(argument)


def _models(model: Model, where: str = "") -> Iterator[tuple[str, Model]]:
    """Every model below one, the nearest to the top first, and how its place is written."""
    level = [(where, model)]
    while level:
        yield from level
        level = [
            (f"{path}.{name}{'[]' if 'tuple' in str(field.annotation) else ''}".lstrip("."), below)
            for path, above in level
            for name, field in above.model_fields.items()
            for below in _inside(field.annotation)
        ]
