"""Which model versions a platform must answer for, and with which requests they are tried.

From the settings that it runs by where they are at hand: then a model that is missing is noticed, and a request is the
manifest's own example. Else from what the platform says of itself, with made-up rows of the declared shapes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from models.errors import HeadraceError
from models.manifest import ImageSpec
from models.samples import ones, sample_files, warm_up_inputs
from models.source import ModelSource
from models.tensor import Array, TensorSpec, as_datatype, bytes_array
from serve_app.selection import select_models
from serve_app.settings import Settings

Sample = dict[str, Array]

_IMAGE_SIDE = 32


@dataclass(frozen=True, slots=True)
class Expected:
    """One model version.

    Attributes:
        inputs: As declared; so are the outputs.
        samples: Requests: input name to array of shape (n, *item).
        fault: Why it cannot be asked; "" where it can.
    """

    model: str
    version: str
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    samples: tuple[Sample, ...] = ()
    fault: str = ""

    def calls(self) -> Iterator[list[tuple[TensorSpec, Array]]]:
        """The samples as calls take them."""
        for sample in self.samples:
            yield [(spec, sample[spec.name]) for spec in self.inputs]


def expected_by_settings(settings: Settings) -> list[Expected]:
    """Every version that the settings serve; fetches the files of its examples.

    Raises:
        SettingsError: A model, version or label of the settings does not exist, or a repository cannot be read.
    """
    found = []
    for model in select_models(settings):
        found += [Expected(model.name, version, fault=reason) for version, reason in model.broken.items()]
        found += [_by_manifest(source) for source in model.sources.values()]
    return found


def expected_by_platform(models: list[Mapping[str, Any]]) -> list[Expected]:
    """Every model that a platform names, by the version that answers when none is named.

    Args:
        models: As in `GET /`.
    """
    return [_by_overview(model) for model in models]


def _by_manifest(source: ModelSource) -> Expected:
    manifest = source.manifest
    names = manifest.name, manifest.version
    try:
        entries = sample_files(manifest)
        samples = warm_up_inputs(manifest, source.fetch(*entries) if entries else {})
    except HeadraceError as error:
        return Expected(*names, fault=str(error))
    encoded = {manifest.preprocessing.input} if isinstance(manifest.preprocessing, ImageSpec) else set()
    made_up = [_made_up(manifest.input_specs, encoded)]
    return Expected(*names, manifest.input_specs, manifest.output_specs, tuple(samples or made_up))


def _by_overview(model: Mapping[str, Any]) -> Expected:
    if "inputs" not in model:
        return Expected(model["name"], "", fault=model["reason"] or "the platform cannot describe it")
    inputs, outputs = (
        tuple(TensorSpec(one["name"], as_datatype(one["datatype"]), tuple(one["shape"])) for one in model[side])
        for side in ("inputs", "outputs")
    )
    sample = _made_up(inputs, set(model.get("encoded_inputs", ())))
    return Expected(model["name"], "", inputs, outputs, (sample,))


def _made_up(specs: tuple[TensorSpec, ...], encoded: set[str]) -> Sample:
    return {**ones(specs), **{name: bytes_array([_picture()]) for name in encoded}}


def _picture() -> bytes:
    pixels = np.linspace(0, 255, _IMAGE_SIDE * _IMAGE_SIDE * 3).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(pixels.reshape(_IMAGE_SIDE, _IMAGE_SIDE, 3)).save(file, "PNG")
    return file.getvalue()
