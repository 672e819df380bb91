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
from serve_app.ingress.http import HttpIngress
from serve_app.messages import InferenceRequest, Result
from serve_app.preprocessing.stage import in_front
from serve_app.router import deployment
from serve_app.router.deployment import Router, _load_in_front, needs_of
from serve_app.router.plan import ModelPlan
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
