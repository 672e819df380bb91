"""Which pool answers, and why none can."""

from __future__ import annotations

import pytest

from models.errors import ModelUnavailable
from serve_app.dispatch.dispatcher import Dispatcher
from serve_app.dispatch.edge import LocalEdge
from serve_app.dispatch.limits import DispatchLimits
from serve_app.replica.host import ModelStatus
from serve_app.router.pools import PoolRoute, choose_pool, reasons
from tests.unit.serve_app.router.building import READY, EchoEdge, route

FAILED = ModelStatus("UNAVAILABLE", "weights: is missing")
NONE = "no replica is running; each needs 1 CPU"


def test_a_pool_that_never_answered_takes_nothing_and_says_so() -> None:
    pool = route(EchoEdge(), None)
    assert not pool.accepts()
    assert pool.reason_not_ready() == "no replica has answered yet"


def test_a_pool_without_a_replica_says_what_each_needs() -> None:
    assert route(EchoEdge(0), None).reason_not_ready() == NONE


def test_requests_queue_while_a_pool_s_replicas_are_replaced() -> None:
    """Its process was killed: it is not ready, but what arrives now is served a moment later."""
    edge = EchoEdge()
    pool = route(edge)
    edge.replicas = 0
    assert pool.accepts()
    assert pool.reason_not_ready() == NONE


def test_a_pool_that_scales_to_zero_takes_requests_before_its_first_replica() -> None:
    pool = route(EchoEdge(0), None, may_be_empty=True)
    assert pool.accepts()
    assert pool.reason_not_ready() == ""


def test_a_pool_that_scales_to_zero_is_not_ready_without_what_stands_before_it() -> None:
    edge = EchoEdge(0)
    pool = PoolRoute("cpu", Dispatcher(edge, "m", "1", DispatchLimits()), edge.num_replicas, "1 CPU", True)
    assert pool.accepts()
    assert pool.reason_not_ready() == NONE
    edge.replicas = 1
    assert pool.reason_not_ready() == ""
    pool.update([READY])
    pool.update([])
    assert pool.reason_not_ready() == "", "scaled to zero again"


@pytest.mark.parametrize("num_replicas", [0, 1])
@pytest.mark.parametrize("may_be_empty", [False, True])
def test_a_failed_pool_is_not_ready_whatever_else_holds(num_replicas: int, may_be_empty: bool) -> None:
    """Else readiness and answers contradict each other: ready, and every request refused."""
    pool = route(EchoEdge(num_replicas), READY, may_be_empty=may_be_empty)
    pool.update([FAILED])
    assert pool.failed
    assert not pool.accepts()
    assert pool.reason_not_ready() == "weights: is missing"


def test_a_pool_recovers_when_a_replica_answers_again() -> None:
    pool = route(EchoEdge(), FAILED)
    pool.update([READY])
    assert pool.accepts()
    assert pool.reason_not_ready() == ""


def test_the_single_pool_is_chosen_and_if_it_failed_its_reason_is_given() -> None:
    pool = route(EchoEdge())
    assert choose_pool([pool], "m", "1") is pool
    pool.update([FAILED])
    with pytest.raises(ModelUnavailable, match="model 'm' version '1' is unavailable: weights: is missing"):
        choose_pool([pool], "m", "1")


def test_each_pool_s_reason_is_named() -> None:
    pools = [route(EchoEdge(), FAILED), route(EchoEdge(0), None, "gpu")]
    assert reasons(pools) == f"pool cpu: weights: is missing; pool gpu: {NONE}"
    pools[0].update([READY])
    assert reasons(pools) == ""


def test_a_pool_that_failed_is_passed_over() -> None:
    good = route(EchoEdge(), name="good")
    assert choose_pool([route(EchoEdge(), FAILED), good], "m", "1") is good


def test_the_earliest_predicted_finish_wins() -> None:
    slow, fast = route(EchoEdge()), route(EchoEdge(), name="fast")
    slow.dispatcher.latency.observe(1, 0.2)
    fast.dispatcher.latency.observe(1, 0.1)
    assert choose_pool([slow, fast], "m", "1") is fast
    assert choose_pool([fast, slow], "m", "1") is fast


def test_a_pool_that_lost_its_replicas_does_not_draw_the_traffic() -> None:
    """Its empty queue predicts the earliest finish, and every request would wait out its deadline there."""
    busy, lost_edge = route(EchoEdge()), EchoEdge()
    lost = route(lost_edge, name="lost")
    busy.dispatcher.latency.observe(1, 0.2)
    lost.dispatcher.latency.observe(1, 0.1)
    lost_edge.replicas = 0
    assert choose_pool([lost, busy], "m", "1") is busy


def test_if_every_pool_lost_its_replicas_the_request_waits_in_one() -> None:
    edges = [EchoEdge(), EchoEdge()]
    pools = [route(edge) for edge in edges]
    for edge in edges:
        edge.replicas = 0
    assert choose_pool(pools, "m", "1") in pools


def test_one_ready_replica_is_enough_and_none_left_is_a_new_start() -> None:
    pool = route(EchoEdge(), None, may_be_empty=True)
    pool.update([FAILED, READY])
    assert (pool.failed, pool.reason_not_ready()) == (False, "")
    pool.update([FAILED, FAILED])
    assert pool.failed
    assert not pool.accepts()
    pool.update([])
    assert pool.accepts(), "scaled to zero: the next request starts a replica, which may load"


def test_preprocessing_in_the_router_is_waited_for() -> None:
    edge = EchoEdge()
    entry = LocalEdge(None, ModelUnavailable("m", "1", "its preprocessing is being loaded"))
    pool = PoolRoute("cpu", Dispatcher(edge, "m", "1", DispatchLimits()), edge.num_replicas, "1 CPU", entry=entry)
    pool.update([READY])
    assert pool.reason_not_ready() == "its preprocessing is being loaded"
    entry.stage = object()  # type: ignore[assignment]
    assert pool.reason_not_ready() == ""
