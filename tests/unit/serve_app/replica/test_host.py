"""A model version and its batcher in this process: load, answer, fail, drain."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from models.errors import DeadlineExceeded, HeadraceError, InferenceFailed, InvalidTensor, ModelUnavailable
from models.source import Transform
from serve_app.messages import InferenceResponse
from serve_app.preprocessing.stage import in_front
from serve_app.replica import host as host_module
from serve_app.replica.host import INLINE_S
from tests.unit.serve_app.replica.building import ABSENT, POISON, FakeModel, host, request, run


def plus_ten(inputs: Mapping[str, Any]) -> dict[str, Any]:
    if (inputs["x"] == 99).any():
        raise InvalidTensor("x", "is 99")
    return {"x": inputs["x"] + 10}


def build_plus_ten(files: Mapping[str, Path]) -> Transform:
    del files
    return plus_ten


def value(result: InferenceResponse | HeadraceError) -> float:
    assert isinstance(result, InferenceResponse), result
    return float(result.outputs["y"][0, 0])


def test_before_it_is_loaded_it_says_so(tmp_path: Path) -> None:
    async def scenario() -> None:
        made = host(tmp_path)
        assert made.status.state == "LOADING"
        (result,) = await made.infer_many([request()])
        assert isinstance(result, ModelUnavailable)
        assert "it is being loaded" in str(result)
        await made.drain()

    run(scenario)


def test_a_loaded_model_answers_in_order(tmp_path: Path) -> None:
    async def scenario() -> None:
        made = host(tmp_path)
        await made.start()
        assert (made.status.state, made.status.reason) == ("READY", "")
        assert made.status.load_s is not None
        assert made.status.load_s >= 0
        results = await made.infer_many([request(float(number)) for number in range(5)])
        assert [value(result) for result in results] == [0, 1, 2, 3, 4]
        await made.drain()

    run(scenario)


def test_a_model_that_does_not_load_stays_and_says_why(tmp_path: Path) -> None:
    async def scenario() -> None:
        made = host(tmp_path, manifest={"files": ABSENT})
        await made.start()
        assert made.status.state == "UNAVAILABLE"
        assert "absent.txt" in made.status.reason
        assert made.batcher is None
        results = await made.infer_many([request(), request()])
        assert all("absent.txt" in str(result) for result in results)
        await made.drain()

    run(scenario)


def test_a_load_may_raise_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process must stay up for the other models, and the reason must name the kind of error."""

    def load(*_: object) -> None:
        raise OSError("libcuda is gone")

    async def scenario() -> None:
        monkeypatch.setattr(host_module, "load", load)
        made = host(tmp_path)
        await made.start()
        assert made.status.reason == "OSError: libcuda is gone"
        await made.drain()

    run(scenario)


def test_a_row_on_which_the_model_raises_fails_alone(tmp_path: Path, fake: FakeModel) -> None:
    async def scenario() -> None:
        made = host(tmp_path)
        await made.start()
        results = await made.infer_many([request(1), request(POISON), request(3)])
        assert [value(results[0]), value(results[2])] == [2, 6]
        assert isinstance(results[1], InferenceFailed)
        assert "ValueError: poison" in str(results[1])
        assert value((await made.infer_many([request(4)]))[0]) == 8
        assert made.status.state == "READY"
        await made.drain()

    run(scenario)


def test_batches_keep_the_limits_of_the_manifest_and_a_large_request_is_put_together(
    tmp_path: Path, fake: FakeModel
) -> None:
    async def scenario() -> None:
        made = host(tmp_path, manifest={"batching": {"max_rows": 4}})
        await made.start()
        fake.batches.clear()
        large, small = await made.infer_many([request(5, rows=10), request(1)])
        assert isinstance(large, InferenceResponse)
        assert large.outputs["y"].shape == (10, 1)
        assert value(small) == 2
        assert max(fake.batches) <= 4
        assert sum(fake.batches) == 11
        await made.drain()

    run(scenario)


def test_each_batch_is_observed_once(tmp_path: Path) -> None:
    seen: list[tuple[int, float, float]] = []

    async def scenario() -> None:
        made = host(tmp_path, observer=lambda rows, queue_s, compute_s: seen.append((rows, queue_s, compute_s)))
        await made.start()
        assert seen == [], "warm-up is not the callers' load"
        await made.infer_many([request(1), request(2)])
        await made.drain()

    run(scenario)
    ((rows, queue_s, compute_s),) = seen
    assert rows == 2
    assert queue_s >= 0
    assert compute_s >= 0


def test_preprocessing_in_front_is_run_first_and_its_errors_stay_with_their_row(
    tmp_path: Path, fake: FakeModel
) -> None:
    async def scenario() -> None:
        made = host(tmp_path, transform=build_plus_ten, in_front=partial(in_front, model="m", version="1"))
        await made.start()
        good, bad = await made.infer_many([request(1), request(99)])
        assert value(good) == 22
        assert isinstance(bad, InvalidTensor)
        await made.drain()

    run(scenario)


def test_without_in_front_requests_arrive_as_model_inputs(tmp_path: Path, fake: FakeModel) -> None:
    """The preprocessing ran elsewhere: to run it again would answer wrongly in silence."""

    async def scenario() -> None:
        made = host(tmp_path, transform=build_plus_ten)
        await made.start()
        assert value((await made.infer_many([request(1)]))[0]) == 2
        await made.drain()

    run(scenario)


def test_long_batches_leave_the_event_loop_free_and_short_ones_do_not_pay_for_a_thread(
    tmp_path: Path, fake: FakeModel
) -> None:
    async def scenario() -> None:
        made = host(tmp_path)
        await made.start()
        fake.threads.clear()
        for seconds in (INLINE_S / 1e3, INLINE_S * 1e3):
            made.latency._start(1.0, 1.0, seconds)
            await made.infer_many([request()])
        await made.drain()

    run(scenario)
    short, long = fake.threads
    assert short == threading.main_thread().name
    assert long.startswith("model-m")


def test_the_event_loop_runs_while_a_batch_does(tmp_path: Path, fake: FakeModel) -> None:
    async def scenario() -> None:
        made = host(tmp_path)
        await made.start()
        fake.gate.clear()
        answer = asyncio.ensure_future(made.infer_many([request()]))
        await asyncio.sleep(0.01)
        assert not answer.done()
        fake.gate.set()
        assert value((await answer)[0]) == 2
        await made.drain()

    run(scenario)


def test_a_caller_that_leaves_takes_its_waiting_requests_along(tmp_path: Path, fake: FakeModel) -> None:
    async def scenario() -> None:
        made = host(tmp_path)
        await made.start()
        fake.batches.clear()
        fake.gate.clear()
        stays = asyncio.ensure_future(made.infer_many([request(1)]))
        await asyncio.sleep(0.01)
        leaves = asyncio.ensure_future(made.infer_many([request(2), request(3)]))
        await asyncio.sleep(0)
        leaves.cancel()
        await asyncio.sleep(0)
        fake.gate.set()
        assert value((await stays)[0]) == 2
        await made.drain()
        assert fake.batches == [1]
        assert made.batcher is not None
        assert made.batcher.stats().num_cancelled == 2

    run(scenario)


def test_a_deadline_that_passes_in_the_queue_is_told(tmp_path: Path, fake: FakeModel) -> None:
    now_s = [0.0]

    async def scenario() -> None:
        made = host(tmp_path, clock=lambda: now_s[0])
        await made.start()
        fake.gate.clear()
        first = asyncio.ensure_future(made.infer_many([request()]))
        await asyncio.sleep(0.01)
        late = asyncio.ensure_future(made.infer_many([request(budget_s=0.5)]))
        await asyncio.sleep(0.01)
        now_s[0] = 1.0
        fake.gate.set()
        await first
        (result,) = await late
        assert isinstance(result, DeadlineExceeded)
        assert "500 ms ran out in the replica" in str(result)
        await made.drain()

    run(scenario)


def test_drain_answers_what_was_accepted_refuses_the_rest_and_frees_the_model(tmp_path: Path, fake: FakeModel) -> None:
    async def scenario() -> None:
        made = host(tmp_path, manifest={"batching": {"max_rows": 1}})
        await made.start()
        fake.gate.clear()
        accepted = asyncio.ensure_future(made.infer_many([request(1), request(2)]))
        await asyncio.sleep(0.01)
        draining = asyncio.ensure_future(made.drain())
        await asyncio.sleep(0)
        (refused,) = await made.infer_many([request(3)])
        assert isinstance(refused, ModelUnavailable)
        assert fake.unloads == []
        fake.gate.set()
        assert [value(result) for result in await accepted] == [2, 4], "the one that runs and the one that waits"
        await draining
        assert made.status.state == "DRAINING"
        (refused,) = await made.infer_many([request(3)])
        assert "it is shutting down" in str(refused)

    run(scenario)
    assert len(fake.unloads) == 1
    assert fake.unloads[0].startswith("model-m"), "on the thread that ran it: a device context belongs to a thread"


def test_a_dead_batcher_fails_its_callers_and_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        made = host(tmp_path)
        await made.start()
        loaded = made._loaded
        assert loaded is not None

        def die(_inputs: object) -> dict[str, Any]:
            raise MemoryError

        monkeypatch.setattr(loaded.model, "infer", die)
        results = await made.infer_many([request(), request()])
        assert all(isinstance(result, ModelUnavailable) for result in results)
        assert (made.status.state, made.status.reason) == ("UNAVAILABLE", "its batcher stopped")
        (later,) = await made.infer_many([request()])
        assert isinstance(later, ModelUnavailable)
        await made.drain()

    run(scenario)
    gc.collect()  # an exception that nobody took would warn here


def test_draining_refuses_at_once_and_a_second_time_does_nothing(tmp_path: Path, fake: FakeModel) -> None:
    async def scenario() -> None:
        made = host(tmp_path)
        await made.start()
        fake.gate.clear()
        answer = asyncio.ensure_future(made.infer_many([request()]))
        await asyncio.sleep(0.01)
        draining = asyncio.ensure_future(made.drain())
        await asyncio.sleep(0)
        assert made.status.state == "DRAINING"
        fake.gate.set()
        await draining
        await made.drain()
        assert value((await answer)[0]) == 2
        assert len(fake.unloads) == 1

    run(scenario)


def test_a_drain_during_the_load_does_not_end_ready(tmp_path: Path, fake: FakeModel) -> None:
    async def scenario() -> None:
        made = host(tmp_path)
        fake.gate.clear()
        loading = asyncio.ensure_future(made.start())
        await asyncio.sleep(0.01)
        await made.drain()
        fake.gate.set()
        await loading
        assert made.status.state == "DRAINING"
        (refused,) = await made.infer_many([request()])
        assert isinstance(refused, ModelUnavailable)

    run(scenario)
