"""The platform behind the wire: finds, admits, dispatches, and says how it is."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import (
    DeadlineExceeded,
    HeadraceError,
    InvalidRequest,
    InvalidTensor,
    ModelUnavailable,
    Overloaded,
    PayloadTooLarge,
    UnknownModel,
)
from models.tensor import TensorSpec, bytes_array
from serve_app.dispatch.edge import Deliver, Way
from serve_app.dispatch.load import LoadCount
from serve_app.messages import InferenceRequest
from serve_app.replica.host import ModelStatus
from serve_app.router.plan import ModelPlan
from serve_app.router.pools import PoolRoute
from serve_app.router.service import InferenceService, check_inputs
from serve_app.telemetry import Telemetry
from tests.unit.serve_app.router.building import READY, EchoEdge, model_plan, route, served

FAILED = ModelStatus("UNAVAILABLE", "weights: is missing")
Routes = dict[tuple[str, str], list[PoolRoute]]


async def no_metrics() -> tuple[bytes, str]:
    return b"a 1\n", "text/plain"


async def no_autoscaling() -> list[dict[str, Any]]:
    return []


def service(
    plans: list[ModelPlan], pools: Routes, telemetry: Telemetry | None = None, default_budget_s: float | None = None
) -> InferenceService:
    by_name = {plan.name: plan for plan in plans}
    return InferenceService(by_name, pools, telemetry or Telemetry(), no_metrics, no_autoscaling, default_budget_s)


def one_model(edge: EchoEdge, status: ModelStatus | None = None, **options: Any) -> InferenceService:
    pool = route(edge) if status is None else route(edge, status)
    return service([model_plan()], {("m", "1"): [pool]}, **options)


def rows(number: int = 1, width: int = 1) -> np.ndarray[Any, Any]:
    return np.arange(number * width, dtype=np.float32).reshape(number, width)


def ask(platform: InferenceService, number: int = 1, budget_s: float | None = None) -> Any:
    async def scenario() -> Any:
        request = InferenceRequest({"x": rows(number)}, number, budget_s=budget_s)
        return await platform.infer(platform.find("m", None), request)

    return asyncio.run(scenario())


def test_a_request_goes_to_its_pool_and_comes_back() -> None:
    edge = EchoEdge()
    assert ask(one_model(edge), 3).outputs["y"].shape == (3, 1)
    assert [request.num_rows for request in edge.seen] == [3]


def test_requests_are_counted_when_they_come_and_when_they_end_however_they_do() -> None:
    class Held(EchoEdge):
        async def call(self, requests: list[InferenceRequest], way: Way, deliver: Deliver) -> None:
            await asyncio.Event().wait()

    async def scenario() -> None:
        platform = one_model(Held())
        found = platform.find("m", None)
        waits = asyncio.ensure_future(platform.infer(found, InferenceRequest({"x": rows(3)}, 3)))
        await asyncio.sleep(0)
        assert (platform.num_offered, platform.num_ended) == (1, 0)
        platform.record("m", "1", 400, 0.1)
        assert (platform.num_offered, platform.num_ended) == (2, 1), "one that could not be read"
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        platform.record("m", "1", 499, 0.1)
        assert (platform.num_offered, platform.num_ended) == (2, 2)

    asyncio.run(scenario())


@pytest.mark.parametrize(("number", "error"), [(0, InvalidRequest), (101, PayloadTooLarge)])
def test_a_batch_of_the_wrong_size_never_queues(number: int, error: type[HeadraceError]) -> None:
    edge = EchoEdge()
    with pytest.raises(error):
        ask(one_model(edge), number)
    assert edge.seen == []


def test_the_default_budget_is_for_those_that_name_none() -> None:
    edge = EchoEdge()
    platform = one_model(edge, default_budget_s=5.0)
    ask(platform)
    ask(platform, budget_s=2.0)
    first, second = (request.budget_s for request in edge.seen)
    assert first == pytest.approx(5.0, abs=1.0)
    assert second == pytest.approx(2.0, abs=1.0)


def test_without_any_budget_none_travels() -> None:
    edge = EchoEdge()
    ask(one_model(edge))
    assert edge.seen[0].budget_s is None


def test_what_cannot_be_in_time_is_refused_before_it_queues() -> None:
    edge = EchoEdge(compute_s=10.0)
    platform = one_model(edge)
    ask(platform)
    with pytest.raises(DeadlineExceeded, match="predicted 10000 ms, budget 1000 ms"):
        ask(platform, budget_s=1.0)
    assert len(edge.seen) == 1


def test_one_slow_answer_does_not_lock_a_model_out_for_good() -> None:
    """Only a request that runs can correct the prediction that refuses it."""
    clock = [0.0]
    edge = EchoEdge(compute_s=10.0)
    pool = route(edge, clock=lambda: clock[0])
    platform = service([model_plan()], {("m", "1"): [pool]})
    ask(platform)
    with pytest.raises(DeadlineExceeded):
        ask(platform, budget_s=1.0)
    edge.compute_s = 0.01
    clock[0] += 10.1
    ask(platform, budget_s=1.0)
    ask(platform, budget_s=1.0)
    assert len(edge.seen) == 3


def test_traffic_goes_where_some_model_answers_once_all_has_started() -> None:
    good, bad = route(EchoEdge(), None), route(EchoEdge(), FAILED)
    platform = service(
        [model_plan("m"), model_plan("n"), model_plan("o", (), broken={"1": "no manifest"})],
        {("m", "1"): [good], ("n", "1"): [bad]},
    )
    assert not platform.traffic_readiness().ready, "one is still loading"
    good.update([READY])
    assert platform.traffic_readiness().ready
    assert not platform.platform_readiness().ready, "the protocol's readiness means every model"
    good.update([FAILED])
    assert "n version 1" in platform.traffic_readiness().reason


def test_drain_reaches_every_pool() -> None:
    pools = [route(EchoEdge()), route(EchoEdge())]
    platform = service([model_plan("m"), model_plan("n")], {("m", "1"): pools[:1], ("n", "1"): pools[1:]})
    asyncio.run(platform.drain())
    for name in ("m", "n"):
        with pytest.raises(ModelUnavailable, match="shutting down"):
            asyncio.run(platform.infer(platform.find(name, None), InferenceRequest({"x": rows()}, 1)))


def test_a_request_of_many_batches_is_predicted_to_take_their_time_one_after_another() -> None:
    pool = route(EchoEdge(compute_s=0.1), max_call_rows=10)
    platform = service([model_plan()], {("m", "1"): [pool]})
    ask(platform, 10, budget_s=0.5)
    with pytest.raises(DeadlineExceeded, match="predicted 1000 ms, budget 500 ms"):
        ask(platform, 100, budget_s=0.5)


def test_what_others_make_late_is_told_when_to_come_back() -> None:
    edge = EchoEdge()
    pool = route(edge)
    platform = service([model_plan()], {("m", "1"): [pool]})

    async def scenario() -> None:
        pool.dispatcher.latency.observe(1, 0.5)
        waiting = [pool.dispatcher.submit(InferenceRequest({"x": rows()}, 1)) for _ in range(600)]
        with pytest.raises(Overloaded) as caught:
            await platform.infer(platform.find("m", None), InferenceRequest({"x": rows()}, 1, budget_s=0.9))
        assert caught.value.retry_after_s > 0
        await asyncio.gather(*waiting)

    asyncio.run(scenario())


def test_a_caller_that_leaves_takes_its_request_along() -> None:
    edge = EchoEdge()
    pool = route(edge)
    platform = service([model_plan()], {("m", "1"): [pool]})

    async def scenario() -> None:
        request = InferenceRequest({"x": rows()}, 1)
        caller = asyncio.ensure_future(platform.infer(platform.find("m", None), request))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await pool.dispatcher.drain()

    asyncio.run(scenario())
    assert edge.seen == []


def test_the_model_s_own_error_comes_back_as_it_is() -> None:
    error = ModelUnavailable("m", "1", "draining")
    with pytest.raises(ModelUnavailable, match="draining"):
        ask(one_model(EchoEdge(error=error)))


def test_an_answer_s_times_are_counted() -> None:
    telemetry = Telemetry()
    ask(one_model(EchoEdge(compute_s=0.25), telemetry=telemetry))
    samples = {
        name: value for family in telemetry.snapshot() for name, labels, value in family.samples if "le" not in labels
    }
    assert samples["headrace_compute_seconds_sum"] == 0.25
    assert samples["headrace_queue_seconds_count"] == 1


def test_an_unknown_model_is_told_which_there_are() -> None:
    platform = one_model(EchoEdge())
    with pytest.raises(UnknownModel, match="model 'n' is not served; served models: m"):
        platform.find("n", None)
    with pytest.raises(UnknownModel):
        platform.readiness("n", None)
    assert platform.model_names() == ("m",)


def test_readiness_has_the_reason_of_the_pool_or_of_the_manifest() -> None:
    plan = model_plan(labels={"old": "0"}, broken={"0": "model.yaml: wrong"}, default="1")
    pool = route(EchoEdge(), FAILED)
    platform = service([plan], {("m", "1"): [pool]})
    assert platform.readiness("m", None).reason == "weights: is missing"
    for reference in ("0", "old"):
        assert platform.readiness("m", reference).reason == "model.yaml: wrong"
    assert platform.platform_readiness().reason == "m version 1: weights: is missing; m version 0: model.yaml: wrong"
    with pytest.raises(UnknownModel):
        platform.readiness("m", "7")


def test_the_platform_is_ready_when_every_model_is() -> None:
    platform = one_model(EchoEdge())
    assert platform.platform_readiness().ready
    assert platform.platform_readiness().reason == ""


def test_started_waits_for_every_model_to_be_ready_or_failed_and_then_stays() -> None:
    edge = EchoEdge()
    first, second = route(edge, None), route(EchoEdge(), None)
    plans = [model_plan("m"), model_plan("n"), model_plan("b", (), broken={"1": "wrong"})]
    platform = service(plans, {("m", "1"): [first], ("n", "1"): [second]})
    assert not platform.started()
    first.update([ModelStatus("READY")])
    assert not platform.started()
    second.update([FAILED])
    assert platform.started(), "a model that failed for good must not hold up the start for ever"
    first.update([FAILED])
    second.update([ModelStatus("LOADING", "it was replaced")])
    edge.replicas = 0
    assert platform.started(), "a startup probe succeeds once"


def test_one_pool_that_is_ready_is_a_start_even_if_the_other_still_waits_for_its_gpu() -> None:
    platform = service([model_plan()], {("m", "1"): [route(EchoEdge()), route(EchoEdge(0), None, "gpu")]})
    assert platform.started()
    assert platform.readiness("m", None).ready


def arrays(platform: InferenceService, **options: Any) -> Any:
    return asyncio.run(platform.infer_arrays("m", {"x": rows(2)}, **options))


def test_arrays_from_a_handle_get_the_version_and_the_outputs_asked_for() -> None:
    platform = one_model(EchoEdge())
    version, response = arrays(platform)
    assert version == "1"
    assert list(response.outputs) == ["y", "z"]
    assert list(arrays(platform, outputs=["z"])[1].outputs) == ["z"]
    assert arrays(platform, outputs=["z"])[1].compute_s == 0.01


def test_arrays_from_a_handle_carry_priority_and_budget() -> None:
    edge = EchoEdge()
    arrays(one_model(edge), priority=3, budget_s=9.0)
    assert edge.seen[0].priority == 3
    assert edge.seen[0].budget_s == pytest.approx(9.0, abs=1.0)


def test_an_unknown_output_is_refused_before_the_model_runs() -> None:
    edge = EchoEdge()
    with pytest.raises(InvalidRequest, match="model 'm' has no output 'w'; it has: y, z"):
        arrays(one_model(edge), outputs=["y", "w"])
    assert edge.seen == []


def test_the_description_says_what_is_served_and_what_is_broken() -> None:
    plan = model_plan(broken={"0": "model.yaml: wrong"}, default="1")
    first, second = service([plan], {("m", "1"): [route(EchoEdge())]}).describe()
    assert first["inputs"] == {"x": ["FP32", [-1, -1]]}
    assert list(first["outputs"]) == ["y", "z"]
    assert (first["version"], first["ready"], first["reason"]) == ("1", True, "")
    assert second == {"name": "m", "version": "0", "ready": False, "reason": "model.yaml: wrong"}


def test_drain_answers_what_was_accepted_and_refuses_the_rest() -> None:
    pool = route(EchoEdge())
    platform = service([model_plan()], {("m", "1"): [pool]})

    async def scenario() -> None:
        accepted = pool.dispatcher.submit(InferenceRequest({"x": rows()}, 1))
        await platform.drain()
        assert accepted.done()
        with pytest.raises(ModelUnavailable, match="shutting down"):
            await platform.infer(platform.find("m", None), InferenceRequest({"x": rows()}, 1))

    asyncio.run(scenario())


def test_metrics_are_those_of_all_replicas_and_requests_are_counted() -> None:
    telemetry = Telemetry()
    platform = one_model(EchoEdge(), telemetry=telemetry)
    assert asyncio.run(platform.metrics()) == (b"a 1\n", "text/plain")
    platform.record("m", "1", 429, 0.1)
    counted = [family for family in telemetry.snapshot() if family.name == "headrace_requests"]
    assert counted[0].samples == (
        ("headrace_requests_total", (("model", "m"), ("status", "429"), ("version", "1")), 1.0),
    )


A = TensorSpec("a", "FP32", (-1, 2))
TEXT = TensorSpec("t", "BYTES", (-1,))
TWO = served(inputs={"a": A, "t": TEXT})


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ({}, "input 'a' is missing"),
        ({"a": rows(2, 2)}, "input 't' is missing"),
        ({"a": rows(2, 2), "b": rows()}, "tensor 'b': model 'm' has no such input; it has: a, t"),
        ({"a": rows(2, 3), "t": bytes_array([b"", b""])}, r"tensor 'a': expected shape \[-1, 2\], got \[2, 3\]"),
        ({"a": rows(2, 2), "t": bytes_array([b""])}, "tensor 't': has 1 rows, the inputs before it 2"),
        ({"a": [[1.0, 2.0]], "t": bytes_array([b""])}, "tensor 'a': expected a numpy array, got list"),
        ({"a": rows(1, 2), "t": np.array(["text"], object)}, "tensor 't': every element must be bytes"),
        ({"a": rows(1, 2), "t": np.array([None], object)}, "tensor 't': every element must be bytes"),
    ],
)
def test_arrays_that_do_not_fit_are_told_why(inputs: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        check_inputs(TWO, inputs)


@given(st.integers(0, 5), st.integers(0, 5))
def test_the_number_of_rows_is_that_of_all_inputs(first: int, second: int) -> None:
    inputs = {"t": bytes_array([b"a"] * second), "a": rows(first, 2)}
    if first == second:
        assert check_inputs(TWO, inputs) == first
    else:
        with pytest.raises(InvalidTensor, match=f"has {second} rows, the inputs before it {first}"):
            check_inputs(TWO, inputs)


def test_what_a_scaled_pool_is_asked_is_counted_with_what_is_refused() -> None:
    edge = EchoEdge()
    pool = route(edge, max_queued_requests=1)
    pool.count = LoadCount("r/m", slo_s=60.0)
    platform = service([model_plan()], {("m", "1"): [pool]})

    async def scenario() -> list[Any]:
        requests = [InferenceRequest({"x": rows(number)}, number) for number in (1, 2, 4)]
        asked = (platform.infer(platform.find("m", None), request) for request in requests)
        return await asyncio.gather(*asked, return_exceptions=True)

    results = asyncio.run(scenario())
    refused = [result for result in results if isinstance(result, Overloaded)]
    assert refused
    load = pool.count.load(0)
    assert load.offered == load.ended == 7
    assert load.late == sum(
        number for number, result in zip((1, 2, 4), results, strict=True) if isinstance(result, Overloaded)
    )
