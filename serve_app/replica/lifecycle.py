"""From a model's place in a repository to one that answers: fetch, load, warm up."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.backends.loader import load_model
from models.errors import FileError, LoadError
from models.manifest import Manifest
from models.model import Compute, Model
from models.samples import warm_up_inputs
from models.source import ModelSource, Transform
from models.tensor import Array
from serve_app.batching.collate import Layout, Rows, split, stack
from serve_app.settings import Pool

logger = logging.getLogger(__name__)

WARM_UP_ROWS = 8
"""Rows of the larger warm-up batches: enough to tell a row's cost from a call's, and soon done on a CPU."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that has run its warm-up samples.

    Attributes:
        load_s: Time from the first byte to the last warm-up run, seconds.
        timings: Of warm batches: elements and seconds of each.
    """

    model: Model
    transform: Transform | None
    layout: Layout
    load_s: float
    timings: tuple[tuple[int, float], ...]


def layout_of(manifest: Manifest) -> Layout:
    """How the rows of the model's inputs are laid out."""
    return Layout(manifest.padded_input, manifest.length_input)


def resolve_compute(source: ModelSource, pool: Pool, device: str) -> Compute:
    """Join what the pool gives with what the manifest allows."""
    spec = source.manifest.compute
    return Compute(
        device=device,
        precision=pool.precision or spec.precisions[0],
        num_threads=pool.threads,
        channels_last=spec.channels_last,
        compile=pool.compile,
    )


def load(source: ModelSource, compute: Compute) -> LoadedModel:
    """Fetch, load and warm up; blocks.

    Raises:
        LoadError: What is wrong, and with which file.
    """
    started_s = time.monotonic()
    manifest = source.manifest
    files = source.fetch()
    transform = source.transform(files) if source.transform is not None else None
    model = load_model(manifest, files, compute)
    layout = layout_of(manifest)
    try:
        timings = _warm_up(manifest, files, model, transform, layout)
    except LoadError:
        raise
    except Exception as error:
        where = f"{source.root}/{manifest.name}/{manifest.version}"
        raise FileError(where, f"a warm-up sample failed: {type(error).__name__}: {error}") from error
    load_s = time.monotonic() - started_s
    logger.info("%s version %s is loaded and warm after %.1f s", manifest.name, manifest.version, load_s)
    return LoadedModel(model, transform, layout, load_s, timings)


def _warm_up(
    manifest: Manifest, files: Mapping[str, Path], model: Model, transform: Transform | None, layout: Layout
) -> tuple[tuple[int, float], ...]:
    """Run every sample as a client's request would run, alone and as a batch of several, and time the warm runs.

    Two sizes at least: from one the cost of a call and that of a row cannot be told apart.
    """
    timings = []
    for sample in warm_up_inputs(manifest, files):
        inputs = dict(transform(sample)) if transform is not None else dict(sample)
        num_rows = len(next(iter(inputs.values())))
        for part in split(inputs, num_rows, layout, manifest.batching.max_rows):
            for copies in (1, _copies(part, manifest)):
                batch = stack([part] * copies, layout)
                for _ in range(2):
                    started_s = time.monotonic()
                    outputs = model.infer(batch)
                    seconds = time.monotonic() - started_s
                _check(manifest, outputs, part.num_rows * copies)
                timings.append((part.num_rows * copies * part.length, seconds))
    return tuple(timings)


def _copies(part: Rows, manifest: Manifest) -> int:
    """How often a part fits into a warm-up batch within the model's limits."""
    limits = manifest.batching
    copies = min(WARM_UP_ROWS, limits.max_rows) // part.num_rows
    if limits.max_elements is not None:
        copies = min(copies, limits.max_elements // max(1, part.num_rows * part.length))
    return max(1, copies)


def _check(manifest: Manifest, outputs: Mapping[str, Array], num_rows: int) -> None:
    for spec in manifest.output_specs:
        output = outputs[spec.name]
        if len(output) != num_rows:
            raise ValueError(f"output '{spec.name}' has {len(output)} rows for {num_rows} rows of input")
        if output.dtype.kind == "f" and not np.isfinite(output).all():
            logger.warning("%s: output '%s' of a warm-up sample is not finite", manifest.name, spec.name)
