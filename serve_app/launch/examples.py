"""Commands to try on a platform that has just started: each works when pasted into a shell."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from models.errors import LoadError
from models.manifest import ImageSpec, SampleFile
from models.source import ModelSource
from serve_app.ingress.page import predict_command
from serve_app.selection import Selected

MAX_EXAMPLES = 3


def program() -> str:
    """How this shell calls `headrace`: by name if that finds this installation, else by path."""
    here = Path(sys.executable).with_name("headrace")
    found = shutil.which("headrace")
    if found is not None and Path(found).resolve() == here.resolve():
        return "headrace"
    return shlex.quote(_shown(here))


def example_commands(selected: Sequence[Selected], models: Sequence[Mapping[str, Any]], url: str) -> list[str]:
    """Commands for up to three models that are ready, of different kinds as far as there are.

    Args:
        selected: The models of the settings.
        models: What the platform says of each, as in `GET /`.
    """
    sources = {model.name: model.sources.get(model.default) for model in selected}
    by_kind: dict[str, list[str]] = {}
    for model in models:
        source = sources.get(model["name"])
        if not model["ready"] or source is None or "inputs" not in model:
            continue
        kind, command = _example(source, model, url)
        by_kind.setdefault(kind, []).append(command)
    kinds = sorted(by_kind.values(), key=len)
    rounds = max(map(len, kinds), default=0)
    return [kind[turn] for turn in range(rounds) for kind in kinds if turn < len(kind)][:MAX_EXAMPLES]


def _example(source: ModelSource, model: Mapping[str, Any], url: str) -> tuple[str, str]:
    manifest = source.manifest
    row = {name: values[0] for name, values in manifest.warm_up[0].inputs.items()} if manifest.warm_up else {}
    if isinstance(manifest.preprocessing, ImageSpec):
        image = _sample_path(source, row.get(manifest.preprocessing.input)) or "photo.jpg"
        address = "" if url == "http://127.0.0.1:8000" else f" --url {url}"
        return "image", f"{program()} infer {manifest.name} --image {shlex.quote(image)}{address}"
    kind = manifest.preprocessing.kind if manifest.preprocessing is not None else "numbers"
    if not row:
        return kind, predict_command(model, url)
    data = row if len(row) > 1 else next(iter(row.values()))
    body = json.dumps({"model_id": manifest.name, "input_data": data}, separators=(",", ":"))
    return kind, f"curl -s {url}/predict -d {shlex.quote(body)}"


def _sample_path(source: ModelSource, value: object) -> str | None:
    """Where this machine has the file of a warm-up value."""
    try:
        entry = SampleFile.model_validate(value).file
        return _shown(source.fetch(entry)[entry])
    except (ValueError, LoadError):
        return None


def _shown(path: Path) -> str:
    """A path as short as a shell in this folder takes it."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
