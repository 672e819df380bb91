"""The Serve shell around a host, without Serve."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch

from autoscaling.policy.signals import BUSY_S, CALL_S, ENDED, LATE, MAX_ROWS, OFFERED, QUEUED, ROW_S
from models.errors import LoadError
from models.model import Compute
from serve_app.batching.latency import LatencyModel
from serve_app.dispatch.load import Load
from serve_app.messages import InferenceResponse
from serve_app.replica import deployment
from serve_app.replica.deployment import ModelReplica, assigned_device
from serve_app.replica.lifecycle import resolve_compute
from serve_app.replica.readings import batcher_readings
from serve_app.settings import Pool
from tests.unit.serve_app.replica.building import ABSENT, FakeModel, host, request, run, source

GPU = Pool(name="gpu", device="gpu", num_gpus=1)


class Shell(ModelReplica):
    """Serve awaits the destructor, the garbage collector would only make a coroutine of it."""

    def __del__(self) -> None:  # type: ignore[override]
        pass


async def replica(tmp_path: Path, pool: Pool | None = None, **changes: Any) -> ModelReplica:
    made = Shell.__new__(Shell)
    await made.__init__(source(tmp_path, **changes), pool or Pool(), None)  # type: ignore[misc]
    return made


def test_compute_is_what_the_pool_gives_within_what_the_manifest_allows(tmp_path: Path) -> None:
    spec = {"precisions": ["bf16", "fp32"], "channels_last": True}
    place = source(tmp_path, compute=spec)
    assert resolve_compute(place, Pool(), "cpu") == Compute("cpu", "bf16", 1, channels_last=True)
    pool = Pool(num_cpus=4, num_threads=3, precision="fp32", compile=True)
    assert resolve_compute(place, pool, "cuda:0") == Compute("cuda:0", "fp32", 3, channels_last=True, compile=True)


def test_a_gpu_pool_runs_on_the_device_that_ray_assigned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert assigned_device(GPU) == "cuda:0", "Ray hides all others"
    assert assigned_device(Pool()) == "cpu", "even where there is one"


def test_a_gpu_pool_without_a_gpu_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(deployment.ray, "get_gpu_ids", list)
    with pytest.raises(LoadError, match="pool 'gpu': torch finds no GPU"):
        assigned_device(GPU)

    async def scenario() -> None:
        made = await replica(tmp_path, GPU)
        assert made.status().state == "UNAVAILABLE"
        assert "torch finds no GPU" in made.status().reason
        (result,) = await made.infer_many("target", [request()])
        assert isinstance(result, Exception)
        made.check_health()
        await made._host.drain()

    run(scenario)


def _gauge(made: ModelReplica, name: str) -> float:
    return next(family.samples[0][2] for family in made._telemetry.snapshot() if family.name == name)


def test_a_loaded_replica_answers_and_counts(tmp_path: Path) -> None:
    async def scenario() -> None:
        made = await replica(tmp_path)
        assert made.status().state == "READY"
        assert _gauge(made, "headrace_model_ready_replicas") == 1
        await made.infer_many("target", [request(rows=3)])
        rows = {
            name: value
            for family in made._telemetry.snapshot()
            for name, labels, value in family.samples
            if family.name == "headrace_batch_rows" and "le" not in dict(labels)
        }
        assert rows == {"headrace_batch_rows_count": 1, "headrace_batch_rows_sum": 3}
        assert _gauge(made, "headrace_elements") == 3
        made.check_health()
        await made._host.drain()

    run(scenario)


def test_a_replica_whose_model_does_not_load_is_healthy_and_says_why(tmp_path: Path) -> None:
    """Serve would restart it for ever, and a restart brings no missing file."""

    async def scenario() -> None:
        made = await replica(tmp_path, files=ABSENT)
        made.check_health()
        assert "absent.txt" in made.status().reason
        assert _gauge(made, "headrace_model_ready_replicas") == 0
        await made._host.drain()

    run(scenario)


def test_a_dead_batcher_fails_the_health_check(
    tmp_path: Path, fake: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_inputs: object) -> dict[str, Any]:
        raise MemoryError

    async def scenario() -> None:
        made = await replica(tmp_path)
        monkeypatch.setattr(fake, "infer", die)
        await made.infer_many("target", [request()])
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="the batcher of m version 1 stopped"):
            made.check_health()
        await made._host.drain()

    run(scenario)


def test_the_destructor_drains(tmp_path: Path, fake: FakeModel) -> None:
    async def scenario() -> None:
        made = await replica(tmp_path)
        accepted = asyncio.ensure_future(made.infer_many("target", [request()]))
        await asyncio.sleep(0)
        await ModelReplica.__del__(made)
        assert made.status().state == "DRAINING"
        assert isinstance((await accepted)[0], InferenceResponse)
        assert len(fake.unloads) == 1

    run(scenario)


def test_a_host_counts_nothing_before_it_is_loaded(tmp_path: Path) -> None:
    made = host(tmp_path)
    assert list(batcher_readings(made)) == []


def test_a_failed_load_is_tried_again_until_it_succeeds(
    tmp_path: Path, fake: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store was away when the replica started; nobody should have to restart it by hand."""
    monkeypatch.setattr(deployment, "RELOAD_S", 0.01)
    absent = {"labels": {"uri": "absent.txt", "sha256": hashlib.sha256(b"here").hexdigest()}}

    async def scenario() -> None:
        made = await replica(tmp_path, files=absent)
        assert made.status().state == "UNAVAILABLE"
        (tmp_path / "m" / "1").mkdir(parents=True)
        (tmp_path / "m" / "1" / "absent.txt").write_bytes(b"here")
        while made.status().state != "READY":  # noqa: ASYNC110 - a thread loads
            await asyncio.sleep(0.01)
        (result,) = await made.infer_many("m", [request()])
        assert isinstance(result, InferenceResponse)
        assert made._retry is not None
        await made._retry

    run(scenario)


def test_it_reports_what_its_routers_are_asked_and_what_its_batches_take(tmp_path: Path) -> None:
    async def scenario() -> None:
        made = await replica(tmp_path)
        assert CALL_S not in made.record_autoscaling_stats()
        made.status((Load("r/m", 5, 4, 1, 0, 1.0),))
        await made.infer_many("target", [request(rows=3)], (Load("r/m", 9, 8, 1, 2, 2.0),))
        stats = made.record_autoscaling_stats()
        assert {name: stats[name + "r/m"] for name in (OFFERED, ENDED, LATE, QUEUED)} == {
            OFFERED: 9, ENDED: 8, LATE: 1, QUEUED: 2
        }  # fmt: skip
        assert stats[CALL_S] + stats[ROW_S] > 0.0
        assert 1 <= stats[MAX_ROWS] <= made._host.manifest.batching.max_rows
        assert stats[BUSY_S] > 0.0
        await made._host.drain()

    run(scenario)


@pytest.mark.parametrize(
    ("max_rows", "batches", "reported"),
    [
        (32, [(1, 0.020), (3, 0.050)], (0.005, 0.015, 32)),
        (32, [(1, 0.020), (3, 0.020)], (0.020, 0.0, 32)),
        (32, [(3, 0.050), (3, 0.050)], (0.050, 0.0, 3)),
        # Not one: that is what a model says of which more is not to be known.
        (32, [(1, 0.020), (1, 0.020)], (0.020, 0.0, 2)),
        (1, [(1, 0.020), (1, 0.020)], (0.020, 0.0, 1)),
    ],
)
def test_batches_larger_than_were_seen_are_promised_only_by_a_line_through_two_sizes(
    tmp_path: Path, max_rows: int, batches: list[tuple[int, float]], reported: tuple[float, float, int]
) -> None:
    async def scenario() -> None:
        made = await replica(tmp_path, batching={"max_rows": max_rows})
        await made.infer_many("target", [request()])
        made._host.latency = LatencyModel()
        for num_elements, seconds in batches:
            made._host.latency.observe(num_elements, seconds)
        stats = made.record_autoscaling_stats()
        assert (stats[CALL_S], stats[ROW_S], stats[MAX_ROWS]) == pytest.approx(reported)
        await made._host.drain()

    run(scenario)
