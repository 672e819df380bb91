"""The limit: the model in a loop, without any server. `python -m bench.peers.raw_loop WORKLOAD [--seconds 3]`.

Prints JSON: every way that was tried with its rows per second, and the best of them. It runs in Headrace's own
environment, on Headrace's own model code (packed MiniLM), with torch's threads from `BENCH_THREADS`.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from bench.call import oip_json
from bench.peers.model import MODELS, NUM_THREADS, PeerModel
from bench.peers.wire import body_of, content_of_body
from bench.workload import Inputs, load_inputs
from models.tensor import Array

TOKEN_BUDGETS = (256, 512, 1024, 2048, 4096, 8192)
JPEG_BATCHES = (1, 8, 32)

Pass = Callable[[], int]
"""Runs all of a workload's rows once; gives their number."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to run the rows.

    Attributes:
        how: In words.
        is_whole: From what a client sends to what it gets back; False: the model alone, its inputs made before.
        rows_per_s: Of the whole run.
    """

    how: str
    is_whole: bool
    rows_per_s: float


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers.raw_loop", description="The model in a loop.")
    parser.add_argument("workload", choices=sorted(MODELS))
    parser.add_argument("--seconds", type=float, default=3.0, help="time for each way that is tried, seconds")
    arguments = parser.parse_args()
    num_threads = int(os.environ.get(NUM_THREADS, "2"))
    model = PeerModel(arguments.workload, num_threads, padded=False)
    ways = measure(arguments.workload, model, load_inputs(arguments.workload), arguments.seconds)
    print(json.dumps(report(arguments.workload, num_threads, ways), indent=1))


def report(workload: str, num_threads: int, ways: Sequence[Way]) -> dict[str, Any]:
    """Put the ways into JSON: the fastest whole one, and the fastest of the model alone where that was tried."""
    alone = [way for way in ways if not way.is_whole]
    return {
        "workload": workload,
        "num_threads": num_threads,
        "whole": asdict(_fastest([way for way in ways if way.is_whole])),
        "model": asdict(_fastest(alone)) if alone else None,
        "ways": [asdict(way) for way in ways],
    }


def measure(
    workload: str,
    model: PeerModel,
    inputs: Sequence[Inputs],
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Way]:
    """Try every way of a workload.

    Args:
        workload: One of `MODELS`.
        model: Loaded for it.
        inputs: One row each, as `load_inputs` gives them.
        seconds: For each way, seconds; a pass that has begun is finished.
        clock: Seconds, monotonic.
    """
    ways = _PASSES[workload](model, inputs)
    return [Way(how, is_whole, rate(one_pass, seconds, clock)) for how, is_whole, one_pass in ways]


def rate(one_pass: Pass, seconds: float, clock: Callable[[], float]) -> float:
    """Rows per second of a pass that is repeated for a while, after one that is not counted."""
    one_pass()
    started_s = clock()
    num_rows = one_pass()
    while (elapsed_s := clock() - started_s) < seconds:
        num_rows += one_pass()
    return num_rows / elapsed_s


def sorted_batches(lengths: Sequence[int], max_elements: int) -> list[list[int]]:
    """Cut rows into batches of near lengths, shortest first.

    Args:
        lengths: Tokens of each row.
        max_elements: Limit of rows times longest row of a batch; a row that is longer is a batch of its own.

    Returns:
        Indices of the rows, each in one batch.
    """
    batches: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batches and (len(batches[-1]) + 1) * lengths[i] <= max_elements:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches


def _fastest(ways: Sequence[Way]) -> Way:
    return max(ways, key=lambda way: way.rows_per_s)


_Passes = Iterator[tuple[str, bool, Pass]]


def _minilm(model: PeerModel, inputs: Sequence[Inputs]) -> _Passes:
    texts = [row["text"][0] for row in inputs]

    def infer_all(inputs_of_batches: Sequence[dict[str, Array]]) -> int:
        for batch in inputs_of_batches:
            model.infer(batch)
        return len(texts)

    def whole(budget: int) -> int:
        return infer_all(_token_batches(model.prepare(texts), budget))

    tokens = model.prepare(texts)
    for budget in TOKEN_BUDGETS:
        how = f"sorted by length, batches of at most {budget} tokens"
        yield f"{how}, tokenised before", False, partial(infer_all, _token_batches(tokens, budget))
        yield f"{how}, tokenised in the loop", True, partial(whole, budget)


def _token_batches(tokens: dict[str, Array], budget: int) -> list[dict[str, Array]]:
    lengths = tokens["lengths"]
    batches = []
    for rows in sorted_batches(lengths.tolist(), budget):
        longest = lengths[rows].max()
        batches.append({"input_ids": tokens["input_ids"][rows, :longest], "lengths": lengths[rows]})
    return batches


def _jpeg(model: PeerModel, inputs: Sequence[Inputs]) -> _Passes:
    files = [row["image"][0] for row in inputs]

    def beside(size: int) -> int:
        with ThreadPoolExecutor(1) as decoder:
            pending = decoder.submit(model.prepare, files[:size])
            for start in range(size, len(files) + size, size):
                batch = pending.result()
                if start < len(files):
                    pending = decoder.submit(model.prepare, files[start : start + size])
                model.infer(batch)
        return len(files)

    def in_turn(size: int) -> int:
        for start in range(0, len(files), size):
            model.infer(model.prepare(files[start : start + size]))
        return len(files)

    def alone(batches: Sequence[dict[str, Array]]) -> int:
        for batch in batches:
            model.infer(batch)
        return len(files)

    for size in JPEG_BATCHES:
        yield f"batches of {size}, decoded in the same thread", True, partial(in_turn, size)
        yield f"batches of {size}, decoded in one thread beside", True, partial(beside, size)
        decoded = [model.prepare(files[start : start + size]) for start in range(0, len(files), size)]
        yield f"batches of {size}, decoded before", False, partial(alone, decoded)


def _echo(model: PeerModel, inputs: Sequence[Inputs]) -> _Passes:
    return _with_wire("echo", model, [oip_json("/", row).body for row in inputs])


def _tensor(model: PeerModel, inputs: Sequence[Inputs]) -> _Passes:
    return _with_wire("tensor", model, [row["x"].tobytes() for row in inputs])


def _with_wire(workload: str, model: PeerModel, bodies: Sequence[bytes]) -> _Passes:
    def whole() -> int:
        for body in bodies:
            content = content_of_body(workload, body)
            body_of(workload, model.output, model.run([content])[0])
        return len(bodies)

    yield "one row at a time, body read and answer written in the loop", True, whole


_PASSES: dict[str, Callable[[PeerModel, Sequence[Inputs]], _Passes]] = {
    "echo": _echo,
    "minilm": _minilm,
    "jpeg": _jpeg,
    "tensor": _tensor,
}


if __name__ == "__main__":
    main()
