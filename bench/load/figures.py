"""The figures of a load, from its record."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.load.result import QUANTILES, Bin, Floats, LoadResult, Record

BIN_S = 0.5
"""Width of a slice of an open loop's time line, seconds."""

_OK = 200
_REJECTED = 429


def merged(records: Sequence[Record]) -> Record:
    """One load's record from those of the processes that shared it."""
    intended_s = np.concatenate([record.intended_s for record in records])
    order = np.argsort(intended_s, kind="stable")
    return Record(
        intended_s[order],
        np.concatenate([record.sent_s for record in records])[order],
        np.concatenate([record.finished_s for record in records])[order],
        np.concatenate([record.status for record in records])[order],
        records[0].warm_up_s,
        records[0].duration_s,
        sum(record.generator_cpu_s for record in records),
    )


def load_result(record: Record, generator: str, slo_s: float | None, bin_s: float | None = None) -> LoadResult:
    """Count what was intended in the counted part, whenever it was sent or answered.

    Args:
        record: Of the whole load.
        generator: What sent it.
        slo_s: Latency that a good answer keeps, seconds; None: any answer 200 is good.
        bin_s: Width of the time line's slices, seconds. None: no time line, as for a closed loop.
    """
    counted = _counted(record)
    latency_s = counted.finished_s - counted.intended_s
    is_ok = counted.status == _OK
    is_good = is_ok if slo_s is None else is_ok & (latency_s <= slo_s)
    rejected_s = latency_s[counted.status == _REJECTED]
    return LoadResult(
        generator=generator,
        duration_s=record.duration_s,
        num_offered=len(latency_s),
        num_ok=int(is_ok.sum()),
        num_good=int(is_good.sum()),
        statuses=_statuses(counted),
        quantiles_s=quantiles_s(latency_s[is_ok]),
        rejected_p50_s=float(np.median(rejected_s)) if len(rejected_s) else None,
        late_p99_s=_late_p99_s(counted),
        generator_cpu_s=record.generator_cpu_s,
        timeline=() if bin_s is None else _timeline(counted, latency_s, is_good, bin_s),
    )


def quantiles_s(latency_s: Floats) -> tuple[float, ...]:
    """Latencies at `QUANTILES`, seconds; empty without any."""
    return tuple(np.quantile(latency_s, QUANTILES).tolist()) if len(latency_s) else ()


def _counted(record: Record) -> Record:
    end_s = record.warm_up_s + record.duration_s
    first, last = np.searchsorted(record.intended_s, (record.warm_up_s, end_s), side="left")
    part = slice(int(first), int(last))
    return Record(
        record.intended_s[part],
        record.sent_s[part],
        record.finished_s[part],
        record.status[part],
        record.warm_up_s,
        record.duration_s,
        record.generator_cpu_s,
    )


def _statuses(counted: Record) -> dict[str, int]:
    statuses, numbers = np.unique(counted.status, return_counts=True)
    pairs = zip(statuses.tolist(), numbers.tolist(), strict=True)
    return {str(status) if status else "lost": number for status, number in pairs if status != _OK}


def _late_p99_s(counted: Record) -> float:
    """What was never sent counts as late until the end of the counted part: at least that late it was."""
    if not len(counted.intended_s):
        return 0.0
    end_s = counted.warm_up_s + counted.duration_s
    late_s = np.where(np.isnan(counted.sent_s), end_s, counted.sent_s) - counted.intended_s
    return float(np.quantile(late_s, 0.99))


def _timeline(counted: Record, latency_s: Floats, is_good: np.ndarray, bin_s: float) -> tuple[Bin, ...]:
    starts_s = np.arange(int(np.ceil(counted.duration_s / bin_s * (1 - 1e-9)))) * bin_s
    edges = np.append(np.searchsorted(counted.intended_s, starts_s + counted.warm_up_s), len(counted.intended_s))
    bins = []
    for start_s, first, last in zip(starts_s.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        part = slice(first, last)
        answered_s = latency_s[part][counted.status[part] != 0]
        bins.append(
            Bin(
                start_s=start_s,
                num_offered=last - first,
                num_good=int(is_good[part].sum()),
                num_failed=int((counted.status[part] != _OK).sum()),
                p99_s=float(np.quantile(answered_s, 0.99)) if len(answered_s) else None,
            )
        )
    return tuple(bins)
