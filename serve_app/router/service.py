"""The platform behind the wire, as a plain object: finds the model, admits the request, picks a pool, dispatches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import numpy as np

from models.errors import (
    DeadlineExceeded,
    InvalidRequest,
    InvalidTensor,
    ModelUnavailable,
    Overloaded,
    ReplicaLost,
    UnknownModel,
)
from models.tensor import Array
from serve_app.dispatch.dispatcher import Dispatcher
from serve_app.ingress.dataplane import Readiness, ServedModel
from serve_app.messages import InferenceRequest, InferenceResponse
from serve_app.router.admission import check_budget, check_size
from serve_app.router.plan import ModelPlan
from serve_app.router.pools import PoolRoute, choose_pool, reasons
from serve_app.router.traffic import choose_version
from serve_app.telemetry import Telemetry

Pools = Mapping[tuple[str, str], Sequence[PoolRoute]]


class InferenceService:
    """Implements `ingress.dataplane.Dataplane`.

    Args:
        plans: Model name to its plan.
        pools: (model, version) to its pools.
        telemetry: This process's metrics.
        collect_metrics: Gives all replicas' metrics and their content type.
        collect_autoscaling: Gives what the scaling policies decided and why.
        default_budget_s: Deadline of requests that name none, seconds.

    Attributes:
        num_ended: Inference requests that were answered, refused or given up, over the wire or a handle.
    """

    def __init__(
        self,
        plans: Mapping[str, ModelPlan],
        pools: Pools,
        telemetry: Telemetry,
        collect_metrics: Callable[[], Awaitable[tuple[bytes, str]]],
        collect_autoscaling: Callable[[], Awaitable[list[dict[str, Any]]]],
        default_budget_s: float | None = None,
    ) -> None:
        self._plans, self._pools, self._telemetry = plans, pools, telemetry
        self._collect_metrics, self._collect_autoscaling = collect_metrics, collect_autoscaling
        self._default_budget_s = default_budget_s
        self._started = False
        self.num_ended = self._num_under_way = 0

    @property
    def num_offered(self) -> int:
        """Inference requests that have come: those that ended, and those that were read and have no answer yet."""
        return self.num_ended + self._num_under_way

    def model_names(self) -> tuple[str, ...]:
        """See `Dataplane`."""
        return tuple(self._plans)

    def find(self, model: str, version: str | None) -> ServedModel:
        """See `Dataplane`."""
        return choose_version(self._plan(model), version).served

    async def infer(self, model: ServedModel, request: InferenceRequest) -> InferenceResponse:
        """See `Dataplane`."""
        key = (model.name, model.version)
        check_size(request.num_rows, self._plans[model.name].versions[model.version].max_rows_per_request)
        pool = choose_pool(self._pools[key], *key)
        if request.budget_s is None and self._default_budget_s is not None:
            request = request._replace(budget_s=self._default_budget_s)
        answer = _answer if pool.count is None else _counted_answer
        self._num_under_way += 1
        try:
            response = await answer(model.name, pool, request)
        finally:
            self._num_under_way -= 1
        self._telemetry.observe_response(model.name, model.version, response)
        return response

    async def infer_arrays(
        self,
        model: str,
        inputs: Mapping[str, Array],
        version: str | None = None,
        outputs: Sequence[str] | None = None,
        priority: int = 0,
        budget_s: float | None = None,
    ) -> tuple[str, InferenceResponse]:
        """Answer a request that comes as arrays, from a handle.

        Returns:
            The version that answered, and its response with the outputs asked for (None: all).

        Raises:
            HeadraceError: As over the wire.
        """
        served = self.find(model, version)
        num_rows = check_inputs(served, inputs)
        unknown = [name for name in outputs or () if name not in served.outputs]
        if unknown:
            raise InvalidRequest(f"model '{model}' has no output '{unknown[0]}'; it has: {', '.join(served.outputs)}")
        response = await self.infer(served, InferenceRequest(dict(inputs), num_rows, priority, budget_s))
        if outputs is not None:
            response = response._replace(outputs={name: response.outputs[name] for name in outputs})
        return served.version, response

    def readiness(self, model: str, version: str | None) -> Readiness:
        """See `Dataplane`."""
        plan = self._plan(model)
        chosen = plan.default if version is None else plan.labels.get(version, version)
        if chosen in plan.broken:
            return Readiness(False, plan.broken[chosen])
        served = choose_version(plan, version).served
        reason = reasons(self._pools[served.name, served.version])
        return Readiness(not reason, reason)

    def platform_readiness(self) -> Readiness:
        """See `Dataplane`."""
        waiting = []
        for plan in self._plans.values():
            for version in (*plan.versions, *plan.broken):
                readiness = self.readiness(plan.name, version)
                if not readiness.ready:
                    waiting.append(f"{plan.name} version {version}: {readiness.reason}")
        return Readiness(not waiting, "; ".join(waiting))

    def traffic_readiness(self) -> Readiness:
        """See `Dataplane`."""
        readiness = self.platform_readiness()
        if readiness.ready or not self.started():
            return readiness
        answers = any(not reasons(pools) for pools in self._pools.values())
        return Readiness(answers, "" if answers else readiness.reason)

    def started(self) -> bool:
        """See `Dataplane`."""
        if not self._started:
            self._started = all(
                any(pool.was_ready for pool in pools) or all(pool.failed for pool in pools)
                for pools in self._pools.values()
            )
        return self._started

    def record(self, model: str, version: str, status: int, latency_s: float) -> None:
        """See `Dataplane`."""
        self.num_ended += 1
        self._telemetry.observe_request(model, version, status, latency_s)

    async def metrics(self) -> tuple[bytes, str]:
        """See `Dataplane`."""
        return await self._collect_metrics()

    async def autoscaling(self) -> list[dict[str, Any]]:
        """See `Dataplane`."""
        return await self._collect_autoscaling()

    def describe(self) -> list[dict[str, Any]]:
        """Every model version as plain data: what it takes, gives, and whether it can answer."""
        rows = []
        for plan in self._plans.values():
            for version in (*plan.versions, *plan.broken):
                readiness = self.readiness(plan.name, version)
                row: dict[str, Any] = {"name": plan.name, "version": version, "ready": readiness.ready}
                row["reason"] = readiness.reason
                if version in plan.versions:
                    served = plan.versions[version].served
                    row["inputs"] = {spec.name: [spec.datatype, list(spec.shape)] for spec in served.inputs.values()}
                    row["outputs"] = {spec.name: [spec.datatype, list(spec.shape)] for spec in served.outputs.values()}
                rows.append(row)
        return rows

    async def drain(self) -> None:
        """See `Dataplane`."""
        await asyncio.gather(*(pool.dispatcher.drain() for pools in self._pools.values() for pool in pools))

    def _plan(self, model: str) -> ModelPlan:
        try:
            return self._plans[model]
        except KeyError:
            raise UnknownModel(model, None, tuple(self._plans)) from None


async def _answer(model: str, pool: PoolRoute, request: InferenceRequest) -> InferenceResponse:
    if request.budget_s is not None:
        check_budget(model, request.budget_s, *_predicted(pool.dispatcher, request.num_rows))
    return await pool.dispatcher.submit(request)


async def _counted_answer(model: str, pool: PoolRoute, request: InferenceRequest) -> InferenceResponse:
    """The same, told to the pool's scaling policy, whether it is refused, answered or given up."""
    count = pool.count
    assert count is not None  # that is what it was chosen by
    started_s, in_time = time.monotonic(), True
    count.begin(request.num_rows)
    try:
        return await _answer(model, pool, request)
    except (Overloaded, DeadlineExceeded, ModelUnavailable, ReplicaLost):
        in_time = False
        raise
    finally:
        count.end(request.num_rows, time.monotonic() - started_s, in_time)


def _predicted(dispatcher: Dispatcher, num_rows: int) -> tuple[float | None, float | None]:
    """Seconds until a request would be answered, and seconds of it alone; None where nothing is known.

    What was idle for as long as the prediction says lets a request try: one that refuses all is never corrected.
    """
    # What is larger than a batch runs in several, one after another.
    batch_rows = min(num_rows, dispatcher.limits.max_call_rows)
    batch_s = dispatcher.latency.predict_s(batch_rows)
    if batch_s is None:
        return None, None
    own_s = batch_s * num_rows / batch_rows
    if dispatcher.idle_s() > own_s:
        return None, None
    by_batches_s = own_s + (dispatcher.predicted_wait_s() or 0.0)
    return max(by_batches_s, dispatcher.predicted_answer_s(num_rows) or 0.0), own_s


def check_inputs(served: ServedModel, inputs: Mapping[str, Array]) -> int:
    """Check arrays against the model's inputs.

    Returns:
        The number of rows.

    Raises:
        InvalidRequest: An input is missing or unknown, or the batch axes disagree.
        InvalidTensor: One does not fit its specification.
    """
    for name in inputs:
        if name not in served.inputs:
            raise InvalidTensor(name, f"model '{served.name}' has no such input; it has: {', '.join(served.inputs)}")
    num_rows = -1
    for name, spec in served.inputs.items():
        if name not in inputs:
            raise InvalidRequest(f"input '{name}' is missing")
        array = inputs[name]
        if not isinstance(array, np.ndarray):
            raise InvalidTensor(name, f"expected a numpy array, got {type(array).__name__}")
        spec.check(array)
        if spec.datatype == "BYTES" and not all(isinstance(value, bytes) for value in array.flat):
            raise InvalidTensor(name, "every element must be bytes; encode a text with .encode()")
        if num_rows not in (-1, len(inputs[name])):
            raise InvalidTensor(name, f"has {len(inputs[name])} rows, the inputs before it {num_rows}")
        num_rows = len(inputs[name])
    return num_rows
