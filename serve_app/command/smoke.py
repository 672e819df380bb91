"""`headrace smoke`: does a running platform do what it is there for? Readiness, metadata, answers of every model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from models.errors import InvalidTensor
from models.tensor import Array, TensorSpec
from serve_app.command.expectation import Expected
from serve_app.ingress.protocol import tensors
from serve_app.wire_client import WireClient, WireError

READY_PATH = "/v2/health/ready"
_LOOK_S = 1.0


class Outcome(NamedTuple):
    """What came of one model version, or of the platform as a whole.

    Attributes:
        name: `platform`, or `model/version`.
        passed: Whether everything was as it should be.
        said: What was seen; of a failure, what was wrong.
        latency_s: Longest of its calls, seconds; None: none was answered.
    """

    name: str
    passed: bool
    said: str
    latency_s: float | None = None


def wait_until_ready(
    client: WireClient, limit_s: float, clock: Callable[[], float], rest: Callable[[float], None]
) -> Outcome:
    """Ask for readiness until it is there or the time is over.

    Args:
        limit_s: For a platform that has just been deployed, seconds; 0: ask once.
        clock: Gives the time, seconds.
        rest: Waits so many seconds.
    """
    started_s = clock()
    while not (ready := client.answers_ok(READY_PATH)) and clock() - started_s + _LOOK_S <= limit_s:
        rest(_LOOK_S)
    said = "ready" if ready else f"GET {READY_PATH} is not answered 200 within {limit_s:g} s"
    return Outcome("platform", ready, said)


def try_models(client: WireClient, expected: Iterable[Expected]) -> list[Outcome]:
    """Compare each version's metadata, then send its samples; a failure of one hides no other."""
    return [_try(client, one) for one in expected]


def report(outcomes: Sequence[Outcome]) -> str:
    """One line for each outcome, and one that sums up."""
    width = max(len(outcome.name) for outcome in outcomes)
    lines = [
        f"{outcome.name.ljust(width)}  {'ok    ' if outcome.passed else 'FAILED'}  {_timed(outcome)}"
        for outcome in outcomes
    ]
    num_failed = sum(not outcome.passed for outcome in outcomes)
    return "\n".join([*lines, f"{len(outcomes) - num_failed} passed, {num_failed} failed"])


def _timed(outcome: Outcome) -> str:
    if outcome.latency_s is None:
        return outcome.said
    return f"{outcome.said}, {outcome.latency_s * 1e3:.1f} ms"


def _try(client: WireClient, expected: Expected) -> Outcome:
    name = f"{expected.model}/{expected.version}".rstrip("/")
    if expected.fault:
        return Outcome(name, False, expected.fault)
    version = expected.version or None
    try:
        difference = _difference(client.metadata(expected.model, version), expected)
        if difference:
            return Outcome(name, False, difference)
        latencies_s = []
        for call in expected.calls():
            started_s = time.perf_counter()
            outputs = client.infer_arrays(expected.model, version, call, expected.outputs)
            latencies_s.append(time.perf_counter() - started_s)
            _check(expected.outputs, outputs, num_rows=len(call[0][1]))
    except (WireError, InvalidTensor) as error:
        return Outcome(name, False, str(error))
    num = len(latencies_s)
    return Outcome(name, True, f"{num} call{'s' if num != 1 else ''} answered", max(latencies_s))


def _difference(metadata: dict[str, Any], expected: Expected) -> str:
    """What the platform declares otherwise than the manifest; "" where nothing."""
    for side, specs in (("inputs", expected.inputs), ("outputs", expected.outputs)):
        declared = [one | {"shape": list(one["shape"])} for one in tensors(specs)]
        if metadata[side] != declared:
            return f"its {side} are {metadata[side]}, the manifest of the settings says {declared}"
    return ""


def _check(specs: Sequence[TensorSpec], outputs: dict[str, Array], num_rows: int) -> None:
    for spec in specs:
        output = outputs[spec.name]
        if len(output) != num_rows:
            raise InvalidTensor(spec.name, f"{num_rows} rows were sent and {len(output)} came back")
        if output.dtype.kind == "f" and not np.isfinite(output).all():
            raise InvalidTensor(spec.name, "holds values that are no finite number")
