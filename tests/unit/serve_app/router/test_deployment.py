"""The router's shell without Ray: models in its own process, and the preprocessing that it loads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from autoscaling.policy.signals import BUSY_S, ENDED, OFFERED
from models.errors import FileError, ModelUnavailable
from models.source import ModelSource, Transform
from serve_app.dispatch.dispatcher import Dispatcher
from serve_app.dispatch.edge import LocalEdge, Way
from serve_app.dispatch.limits import DispatchLimits
from serve_app.dispatch.load import Load
from serve_app.ingress.http import HttpIngress
from serve_app.messages import InferenceRequest, Result
from serve_app.preprocessing.stage import in_front
from serve_app.replica.host import ModelStatus
from serve_app.router import deployment
from serve_app.router.deployment import Router, _load_in_front, needs_of
from serve_app.router.plan import ModelPlan, RemotePool
from serve_app.scaling import Autoscaling
from serve_app.settings import Pool
from serve_app.settings import Router as RouterSettings
from tests.unit.serve_app.router.building import EchoEdge, manifest, model_plan


def plus_one(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {"x": inputs["x"] + 1}


def build(error: Exception | None, files: Mapping[str, Path]) -> Transform:
    if error is not None:
        raise error
    return plus_one


def run(plans: list[ModelPlan], test: Callable[[Router], Awaitable[None]]) -> None:
    async def scenario() -> None:
        router = Router.__new__(Router)
        await router.__init__(plans, RouterSettings(), None)  # type: ignore[misc, arg-type]
        await asyncio.gather(*router._tasks)
        await test(router)

    asyncio.run(scenario())


def local_plan(tmp_path: Path, **changes: Any) -> ModelPlan:
    plan = model_plan()
    source = ModelSource(str(tmp_path), str(tmp_path / "cache"), manifest(**changes))
    return replace(plan, versions={"1": replace(plan.versions["1"], source=source)})


def test_a_model_in_the_router_s_process_answers_and_is_counted(tmp_path: Path) -> None:
    async def test(router: Router) -> None:
        version, response = await router.infer("m", {"x": np.ones((2, 3), np.float32)})
        assert version == "1"
        assert response.outputs["y"].tolist() == [[1.0] * 3] * 2
        assert router.models()[0]["ready"]
        router.check_health()
        counts = {family.name: family.samples for family in router._telemetry.snapshot()}
        samples = {name: value for name, labels, value in counts["headrace_batch_rows"] if "le" not in dict(labels)}
        assert samples["headrace_batch_rows_sum"] == 2
        assert counts["headrace_dispatch_calls"][0][2] == 1
        assert counts["headrace_elements"][0][2] == 2

    run([local_plan(tmp_path)], test)


def test_a_model_that_does_not_load_says_why_and_the_others_answer(tmp_path: Path) -> None:
    broken = local_plan(tmp_path, files={"labels": {"uri": "absent.txt", "sha256": "0" * 64}})
    good = model_plan("n")
    good = replace(good, versions={"1": replace(good.versions["1"], source=local_plan(tmp_path).versions["1"].source)})

    async def test(router: Router) -> None:
        with pytest.raises(ModelUnavailable, match=r"absent\.txt"):
            await router.infer("m", {"x": np.ones((1, 1), np.float32)})
        assert (await router.infer("n", {"x": np.ones((1, 1), np.float32)}))[0] == "1"

    run([broken, good], test)


def test_a_dead_batcher_makes_the_router_unhealthy_and_its_model_unavailable(tmp_path: Path) -> None:
    """Nothing else would ever replace it: the model would refuse for ever and call itself ready."""

    async def test(router: Router) -> None:
        ((_, host),) = router._local
        assert host.batcher is not None

        async def die(_inputs: object) -> dict[str, Any]:
            raise MemoryError

        host.batcher._run = die
        with pytest.raises(ModelUnavailable, match="batch loop died"):
            await router.infer("m", {"x": np.ones((1, 1), np.float32)})
        with pytest.raises(RuntimeError, match="the batcher of m version 1 stopped"):
            router.check_health()
        assert router.models()[0]["reason"] == "its batcher stopped"

    run([local_plan(tmp_path)], test)


def test_serve_gets_the_wire_with_the_limits_of_the_settings(tmp_path: Path) -> None:
    async def test(router: Router) -> None:
        assert isinstance(await router.__serve_build_asgi_app__(), HttpIngress)

    run([local_plan(tmp_path)], test)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (FileError("tokenizer.json", "is missing"), "is unavailable: tokenizer.json: is missing"),
        (ImportError("no module tokenizers"), "is unavailable: ImportError: no module tokenizers"),
    ],
)
def test_preprocessing_that_does_not_load_is_told_to_every_caller(error: Exception, sentence: str) -> None:
    """Whatever it raises: else requests are told for ever that it is being loaded."""
    source = ModelSource("root", "cache", manifest(), transform=partial(build, error))

    async def scenario() -> None:
        edge = LocalEdge(None, ModelUnavailable("m", "1", "its preprocessing is being loaded"))
        dispatcher = Dispatcher(EchoEdge(), "m", "1", DispatchLimits())
        await _load_in_front(source, partial(in_front, model="m", version="1"), dispatcher, edge)
        results: dict[int, Result] = {}
        await edge.call([InferenceRequest({"x": np.ones((1, 1))}, 1)], Way.VALUE, results.__setitem__)
        (result,) = results.values()
        assert sentence in str(result)

    asyncio.run(scenario())


def test_preprocessing_in_the_router_runs_before_the_call() -> None:
    source = ModelSource("root", "cache", manifest(), transform=partial(build, None))

    async def scenario() -> None:
        edge = LocalEdge(None)
        dispatcher = Dispatcher(EchoEdge(), "m", "1", DispatchLimits())
        await _load_in_front(source, partial(in_front, model="m", version="1"), dispatcher, edge)
        results: dict[int, Result] = {}
        await edge.call([InferenceRequest({"x": np.ones((1, 1))}, 1)], Way.VALUE, results.__setitem__)
        (result,) = results.values()
        assert result.outputs["y"].tolist() == [[2.0]]  # type: ignore[union-attr]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("pool", "words"),
    [
        (Pool(), "0.25 CPU"),
        (Pool(device="gpu", num_gpus=1, num_cpus=2, resources={"a100": 1}), "2 CPU and 1 GPU and 1 a100"),
        (Pool(num_cpus=0), "no resources"),
    ],
)
def test_what_a_pool_needs_in_words(pool: Pool, words: str) -> None:
    assert needs_of(pool) == words


class Handle:
    """A deployment's handle: how many replicas it reaches, and what it was told."""

    def __init__(self, name: str, num_replicas: int = 1) -> None:
        self.deployment_name, self.num_replicas = name, num_replicas
        self.told: list[tuple[Any, ...]] = []

    def broadcast(self, method: str, *arguments: Any) -> Any:
        self.told.append((method, *arguments))

        async def answers() -> list[Any]:
            return [ModelStatus("READY") if method == "status" else None] * self.num_replicas

        return SimpleNamespace(results_async=answers)


class Held:
    """An edge whose calls stay under way."""

    def __init__(self, handle: Handle, target: str, loads: Callable[[], tuple[Load, ...]], is_direct: bool) -> None:
        self.handle, self.loads = handle, loads

    async def call(self, requests: list[InferenceRequest], way: Way, deliver: Any) -> None:
        await asyncio.Event().wait()

    def num_replicas(self) -> int:
        return self.handle.num_replicas


def run_remote(
    monkeypatch: pytest.MonkeyPatch,
    test: Callable[[Router, list[Held]], Awaitable[None]],
    model: Handle,
    entry: Handle | None = None,
    pool: Pool | None = None,
    counted_slo_s: float | None = 0.5,
    needed: tuple[Handle, ...] = (),
    settings: RouterSettings | None = None,
    routers: int = 1,
) -> None:
    """A router before a pool with deployments of its own, whose full batches have 32 rows."""
    edges: list[Held] = []

    def edge_to(*arguments: Any) -> Held:
        edges.append(Held(*arguments))
        return edges[-1]

    context = SimpleNamespace(replica_id=SimpleNamespace(unique_id="r#1"), deployment="Router", app_name="a")
    own = Handle("Router", routers)
    serve = SimpleNamespace(get_replica_context=lambda: context, get_deployment_handle=lambda _name, _application: own)
    monkeypatch.setattr(deployment, "serve", serve)
    monkeypatch.setattr(deployment, "edge_to", edge_to)
    monkeypatch.setattr(deployment, "live_replicas", lambda handle: handle.num_replicas)
    given: Any = (pool or Pool(), entry or model, model, "m-v1-cpu", needed)
    plan = model_plan()
    version = replace(
        plan.versions["1"],
        pools=(RemotePool(*given, counted_slo_s=counted_slo_s),),
        limits=DispatchLimits(max_call_rows=32),
    )

    async def scenario() -> None:
        router = Router.__new__(Router)
        plans = [replace(plan, versions={"1": version})]
        await router.__init__(plans, settings or RouterSettings(), None)  # type: ignore[misc, arg-type]
        try:
            await asyncio.sleep(0.01)
            await test(router, edges)
        finally:
            for task in router._tasks:
                task.cancel()

    asyncio.run(scenario())


def test_preprocessors_hear_of_the_load_without_a_call_and_without_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the last figures of a burst hold until the next call, and no replica goes."""
    monkeypatch.setattr(deployment, "WATCH_READY_S", 0.001)
    model, entry = Handle("m-v1-cpu", 0), Handle("Preprocessor-image", 2)

    async def test(router: Router, _edges: list[Held]) -> None:
        method, target, (load,) = entry.told[-1]
        assert (method, target) == ("hear", "m-v1-cpu")
        assert (load.router, load.offered, load.queued) == ("r#1/m-v1-cpu", 0, 0)
        assert entry.told[0][2][0].at_s < load.at_s, "again and again, each newer than the last"
        assert not model.told
        entry.num_replicas = 0
        await asyncio.sleep(0.01)
        num = len(entry.told)
        await asyncio.sleep(0.01)
        assert len(entry.told) == num, "nobody is there"

    run_remote(monkeypatch, test, model, entry)


@pytest.mark.parametrize(("counted_slo_s", "is_told"), [(0.5, True), (None, False)])
def test_the_model_hears_of_the_load_with_the_question_how_it_is(
    monkeypatch: pytest.MonkeyPatch, counted_slo_s: float | None, is_told: bool
) -> None:
    model, entry = Handle("m-v1-cpu"), Handle("Preprocessor-image")

    async def test(router: Router, _edges: list[Held]) -> None:
        ((method, loads),) = model.told
        assert (method, len(loads)) == ("status", is_told)
        assert bool(entry.told) == is_told, "nothing is said where nobody counts"

    run_remote(monkeypatch, test, model, entry, counted_slo_s=counted_slo_s)


@pytest.mark.parametrize(
    ("model_replicas", "entry_replicas", "routers", "queued"),
    [(1, 1, 1, 68), (2, 1, 1, 36), (1, 9, 1, 68), (2, 1, 2, 68), (4, 1, 2, 36), (4, 1, 0, 0)],
)
def test_what_waits_is_what_this_router_s_share_of_the_model_s_batches_leaves(
    monkeypatch: pytest.MonkeyPatch, model_replicas: int, entry_replicas: int, routers: int, queued: int
) -> None:
    """Routers share the model's replicas, and preprocessing runs no batches of the model."""
    settings = RouterSettings() if routers == 1 else RouterSettings(autoscaling=Autoscaling(max_replicas=2))
    model, entry = Handle("m-v1-cpu", model_replicas), Handle("Preprocessor-image", entry_replicas)

    async def test(router: Router, edges: list[Held]) -> None:
        (route,) = router._pools["m", "1"]
        for rows in (60, 40):
            route.dispatcher.submit(InferenceRequest({"x": np.ones((rows, 1), np.float32)}, rows))
        (load,) = edges[0].loads()
        assert load.queued == queued

    run_remote(monkeypatch, test, model, entry, settings=settings, routers=routers)


def test_preprocessing_that_scaled_to_zero_is_no_reason_not_to_be_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    model, entry = Handle("m-v1-cpu"), Handle("Preprocessor-image", 0)

    async def test(router: Router, _edges: list[Held]) -> None:
        assert router.models()[0]["ready"]
        model.num_replicas = 0
        assert "no replica is running" in router.models()[0]["reason"]

    run_remote(monkeypatch, test, model, entry, needed=(model,))


def test_a_model_that_scaled_to_zero_is_ready_behind_its_preprocessing(monkeypatch: pytest.MonkeyPatch) -> None:
    model, entry = Handle("m-v1-cpu", 0), Handle("Preprocessor-image")
    pool = Pool(autoscaling=Autoscaling(min_replicas=0))

    async def test(router: Router, _edges: list[Held]) -> None:
        assert router.models()[0]["ready"]
        entry.num_replicas = 0
        assert "no replica is running" in router.models()[0]["reason"]

    run_remote(monkeypatch, test, model, entry, pool, needed=(entry,))


def test_the_router_s_own_policy_is_told_of_its_requests(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    context = SimpleNamespace(replica_id=SimpleNamespace(unique_id="r#1"))
    monkeypatch.setattr(deployment, "serve", SimpleNamespace(get_replica_context=lambda: context))

    async def test(router: Router) -> None:
        await router.infer("m", {"x": np.ones((5, 3), np.float32)})
        with pytest.raises(Exception, match="nosuch"):
            await router.infer("nosuch", {})
        stats = router.record_autoscaling_stats()
        assert (stats[OFFERED + "r#1"], stats[ENDED + "r#1"]) == (2, 2), "requests, not rows"
        assert stats[BUSY_S] > 0.0

    run([local_plan(tmp_path)], test)
