"""A load on a platform that runs already, against what its settings promise: may this version go on?

Each model is asked on its own, in an open loop. What it must keep is written in the settings already: the SLO of its
pools, and the share of requests that may miss it.
"""

from __future__ import annotations

import math
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np

from bench.call import HttpCall
from bench.load.arrivals import poisson
from bench.load.plan import Open
from bench.load.result import LoadResult
from bench.load.run import run_load
from serve_app.binary_call import encode
from serve_app.command.expectation import Expected
from serve_app.settings import Settings
from serve_app.wire_client import infer_path

Send = Callable[[Open, str, int, Sequence[HttpCall], float | None], LoadResult]

_LATE_GENERATOR_RATIO = 0.1
"""Of the SLO: a generator that sends later than this measures itself."""


class Target(NamedTuple):
    """Where a platform is: an address, for the generator looks up no names."""

    host: str
    port: int
    path: str


class Promise(NamedTuple):
    """What a model is to keep.

    Attributes:
        slo_s: A request is to be answered 200 within this, seconds.
        late_ratio: Share of the requests that may not be.
    """

    slo_s: float
    late_ratio: float


class Verdict(NamedTuple):
    """What a model kept."""

    model: str
    promise: Promise
    result: LoadResult

    @property
    def missed_ratio(self) -> float:
        """Share of the requests that were late, refused, failed or lost."""
        result = self.result
        return (result.num_offered - result.num_good) / result.num_offered if result.num_offered else 1.0

    @property
    def is_measured(self) -> bool:
        """Whether the generator kept its plan, so that the figures are the platform's."""
        return self.result.late_p99_s <= _LATE_GENERATOR_RATIO * self.promise.slo_s

    @property
    def passed(self) -> bool:
        """Whether the promise was kept, as far as that was measured."""
        return self.is_measured and self.missed_ratio <= self.promise.late_ratio

    def __str__(self) -> str:
        result, promise = self.result, self.promise
        others = "".join(f", {number} x {status}" for status, number in sorted(result.statuses.items()))
        generator = "" if self.is_measured else f"; the generator was late by {result.late_p99_s * 1e3:.0f} ms itself"
        return (
            f"{self.model}: {'ok' if self.passed else 'FAILED'}: {self.missed_ratio:.2%} of {result.num_offered} "
            f"requests missed {promise.slo_s * 1e3:g} ms ({promise.late_ratio:.2%} may){others}; "
            f"p50 {result.percentile_s(50) * 1e3:.1f} ms, p99 {result.percentile_s(99) * 1e3:.1f} ms{generator}"
        )


def target(url: str) -> Target:
    """Resolve a URL.

    Raises:
        ValueError: It is not of HTTP, or its host has no address.
    """
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or parts.hostname is None:
        raise ValueError(f"{url}: the generator speaks http only; forward a port of the service to this machine")
    try:
        port = parts.port or 80
        address = socket.getaddrinfo(parts.hostname, port, socket.AF_INET, socket.SOCK_STREAM)[0][4]
    except (OSError, ValueError) as error:
        raise ValueError(f"{url}: {error}") from error
    return Target(str(address[0]), port, parts.path.rstrip("/"))


def promises(settings: Settings, otherwise: Promise) -> dict[str, Promise]:
    """What each model of the settings is to keep.

    Args:
        otherwise: Of models whose pools name no SLO: those of a fixed number of replicas.

    Returns:
        Model to the strictest promise of its pools.
    """
    found = {}
    for model in settings.models:
        scalings = [pool.autoscaling for pool in model.pools if pool.autoscaling is not None]
        given = [Promise(one.slo_s, one.late_ratio) for one in scalings if one.counted_slo_s() is not None]
        found[model.name] = min(given, default=otherwise)
    return found


def too_few(expected: Sequence[Expected], kept: dict[str, Promise], otherwise: Promise, load: Open) -> list[str]:
    """Models of which a single late answer would decide, so that nothing but luck would be measured.

    Args:
        expected: As of `run_gate`; `kept` and `otherwise` too.
        load: That each of them gets.

    Returns:
        A sentence for each. None for a promise of no late answer at all: no load is large enough for that.
    """
    end_s = load.warm_up_s + load.duration_s
    num_counted = int(np.count_nonzero((load.arrivals_s >= load.warm_up_s) & (load.arrivals_s < end_s)))
    found = []
    for one in expected:
        ratio = kept.get(one.model, otherwise).late_ratio
        if ratio > 0 and num_counted * ratio < 1:
            found.append(
                f"{one.model}: {num_counted} requests are too few: {ratio:.2%} of them may be late, so a single one "
                f"would fail it; that takes at least {math.ceil(1 / ratio)}: raise --duration-s or --rate-per-s"
            )
    return found


def run_gate(
    where: Target,
    expected: Sequence[Expected],
    kept: dict[str, Promise],
    otherwise: Promise,
    plan: Callable[[], Open],
    send: Send = run_load,
) -> Iterator[Verdict]:
    """Load one model after the other.

    Args:
        expected: Models with their requests; those that cannot be asked are for `headrace smoke` to tell of.
        kept: As of `promises`.
        otherwise: Of models that are not in it.
        plan: Makes the load of one model.
        send: Sends it.
    """
    for one in expected:
        calls = []
        for call in one.calls():
            headers, body = encode(call)
            path = where.path + infer_path(one.model, one.version or None)
            calls.append(HttpCall(path, tuple(headers.items()), body))
        if calls:
            promise = kept.get(one.model, otherwise)
            result = send(plan(), where.host, where.port, calls, promise.slo_s)
            yield Verdict(f"{one.model}/{one.version}".rstrip("/"), promise, result)


def planned(rate_per_s: float, warm_up_s: float, duration_s: float, seed: int) -> Open:
    """A Poisson load, the same for the same seed."""
    random = np.random.default_rng(seed)
    return Open(poisson(rate_per_s, warm_up_s + duration_s, random), warm_up_s, duration_s)
