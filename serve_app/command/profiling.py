"""What a model takes on this machine: its start, its batches by size, its memory. Runs in a process of its own.

A replica's process is what is measured, so this file is run as one, `python -m serve_app.command.profiling SETTINGS
MODEL VERSION POOL DEVICE`, with one line of JSON on standard output for each step that is done.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psutil

from models.manifest import Batching
from models.samples import warm_up_inputs
from models.source import ModelSource
from serve_app.batching.collate import Rows, split, stack
from serve_app.replica.lifecycle import LoadedModel, load, resolve_compute
from serve_app.selection import select_models
from serve_app.settings import load_settings

MIN_RUNS, MAX_RUNS = 5, 50
SIZE_S = 1.0
"""Each size is run for so long, but between these numbers of times."""


def batch_sizes(max_rows: int) -> list[int]:
    """Rows of the batches that are measured: powers of two, and the largest."""
    sizes = [2**power for power in range(max_rows.bit_length()) if 2**power <= max_rows]
    return sizes if sizes[-1] == max_rows else [*sizes, max_rows]


def fit(sizes: Sequence[int], seconds: Sequence[float]) -> tuple[float, float]:
    """The line `call_s + row_s * rows` with the least relative errors, neither of them negative.

    Returns:
        `call_s` and `row_s`.
    """
    rows, taken = np.array(sizes, dtype=float), np.array(seconds, dtype=float)
    weighted = np.stack([1.0 / taken, rows / taken], axis=1)
    (call_s, row_s), *_ = np.linalg.lstsq(weighted, np.ones(len(rows)), rcond=None)
    if row_s < 0.0:
        return float(np.median(taken)), 0.0
    if call_s < 0.0:
        ratios = rows / taken
        return 0.0, float(ratios.sum() / (ratios**2).sum())
    return float(call_s), float(row_s)


def measure_batches(loaded: LoadedModel, source: ModelSource) -> dict[str, Any]:
    """Time batches of every size, made of the warm-up samples' rows in turn.

    Returns:
        `sizes` and `seconds` (medians) of the batches, the fitted `call_s` and `row_s`, the largest relative error of
        the fit, and `preprocess_row_s` where the model has preprocessing: time for a row, seconds.
    """
    manifest = source.manifest
    parts: list[Rows] = []
    preprocess_s, num_preprocessed = 0.0, 0
    for sample in warm_up_inputs(manifest, source.fetch()):
        started_s = time.perf_counter()
        inputs = dict(loaded.transform(sample)) if loaded.transform is not None else dict(sample)
        preprocess_s += time.perf_counter() - started_s
        num_rows = len(next(iter(inputs.values())))
        num_preprocessed += num_rows
        parts += split(inputs, num_rows, loaded.layout, 1)
    sizes = batch_sizes(_most_rows(parts, manifest.batching))
    seconds = []
    for size in sizes:
        batch = stack([parts[row % len(parts)] for row in range(size)], loaded.layout)
        runs: list[float] = []
        while len(runs) < MIN_RUNS or (sum(runs) < SIZE_S and len(runs) < MAX_RUNS):
            started_s = time.perf_counter()
            loaded.model.infer(batch)
            runs.append(time.perf_counter() - started_s)
        seconds.append(median(runs))
    call_s, row_s = fit(sizes, seconds)
    errors = [abs(call_s + row_s * size - taken) / taken for size, taken in zip(sizes, seconds, strict=True)]
    found = {
        "call_s": call_s,
        "row_s": row_s,
        "max_rows": sizes[-1],
        "fit_error_ratio": max(errors),
        "sizes": sizes,
        "seconds": seconds,
    }
    return found | ({"preprocess_row_s": preprocess_s / num_preprocessed} if loaded.transform is not None else {})


def _most_rows(parts: Sequence[Rows], batching: Batching) -> int:
    """The most rows of one batch within the manifest's limits: padding counts, unless the model is packed."""
    if batching.max_elements is None:
        return batching.max_rows
    lengths = [part.length for part in parts]
    length = sum(lengths) / len(lengths) if batching.packed else max(lengths)
    return max(1, min(batching.max_rows, int(batching.max_elements / length)))


def main(settings: str, model: str, version: str, pool_name: str, device: str) -> None:
    """Measure a version of a model on a pool of the settings, and print each step."""
    (selected,) = (one for one in select_models(load_settings(Path(settings))) if one.name == model)
    (pool,) = (one for one in selected.options.pools if one.name == pool_name)
    source = selected.sources[version]
    loaded = load(source, resolve_compute(source, pool, device))
    _say({"load_s": loaded.load_s})
    found = measure_batches(loaded, source)
    process = psutil.Process().memory_full_info()
    _say(found | {"memory_bytes": int(getattr(process, "pss", process.rss))})


def _say(step: dict[str, Any]) -> None:
    print(json.dumps(step), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
