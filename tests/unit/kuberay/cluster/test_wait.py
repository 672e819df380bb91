"""The loop of a wait: its clock, its patience with the server, its words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from kuberay.cluster.errors import Refused, Unreachable
from kuberay.cluster.observe import PODS, Observation
from kuberay.cluster.wait import Outcome, Terminal, wait
from tests.unit.kuberay.cluster.building import seen, side

GOING = seen(active=side("svc-a", app="DEPLOYING"))


class World:
    """A clock that sleeping moves, and what is seen and said."""

    def __init__(self, looks: Iterable[Observation | Exception]) -> None:
        self.now_s = 100.0
        self.lines: list[str] = []
        self.sleeps: list[float] = []
        self._looks = iter(looks)
        self._last: Observation | Exception = GOING

    def look(self) -> Observation:
        self._last = next(self._looks, self._last)
        if isinstance(self._last, Exception):
            raise self._last
        return self._last

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now_s += seconds

    def wait(self, timeout_s: float = 600.0, start: Observation | None = None) -> Outcome:
        clock: Callable[[], float] = lambda: self.now_s  # noqa: E731
        return wait(self.look, Terminal(self.lines.append, clock, self.sleep), timeout_s, start=start)


def test_ready() -> None:
    world = World([GOING, seen()])
    assert world.wait(start=GOING).state == "ready"
    assert world.lines == [
        "    2 s  application app: RUNNING",
        "    8 s  ready: generation 2 is ready on cluster svc-a: app running",
    ]


def test_what_may_not_be_read_is_told_once() -> None:
    going, well = (replace(one, unread=(PODS,)) for one in (GOING, seen()))
    world = World([going, going, well])
    assert world.wait(start=going).state == "ready"
    assert world.lines[0] == "    0 s  note: pods may not be read here; troubles of pods are not seen"
    assert sum("note" in line for line in world.lines) == 1


def test_time_limit() -> None:
    world = World([GOING])
    outcome = world.wait(timeout_s=100.0, start=GOING)
    assert outcome[:2] == ("time limit", "100 s are over: application app is DEPLOYING")
    assert world.lines == [
        "   60 s  still going: application app is DEPLOYING",
        "  100 s  time limit: 100 s are over: application app is DEPLOYING",
    ]


def test_a_server_that_goes_away_is_asked_again_ever_more_slowly() -> None:
    gone = [Unreachable("get RayService svc", "connection refused")] * 7
    world = World([GOING, *gone, seen()])
    assert world.wait(start=GOING).state == "ready"
    assert world.sleeps[:8] == [2.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert world.lines[:3] == [
        "    2 s  the API server does not answer (get RayService svc): connection refused; trying again",
        "   62 s  still no answer from the API server",
        "  122 s  the API server answers again",
    ]


def test_it_is_told_again_when_it_goes_away_again() -> None:
    gone = Unreachable("get RayService svc", "connection refused")
    world = World([GOING, gone, GOING, gone, seen()])
    world.wait(start=GOING)
    assert [line for line in world.lines if "does not answer" in line] == [
        "    2 s  the API server does not answer (get RayService svc): connection refused; trying again",
        "    6 s  the API server does not answer (get RayService svc): connection refused; trying again",
    ]


def test_a_server_that_never_comes_back() -> None:
    world = World([Unreachable("get RayService svc", "connection refused")])
    assert world.wait(timeout_s=60.0).state == "time limit"


def test_a_refusal_is_no_reason_to_try_again() -> None:
    with pytest.raises(Refused):
        World([Refused("list Pods", 403, ("no",))]).wait()


def test_a_failure_names_everything_else_that_is_wrong() -> None:
    failed = side("svc-a", app=("DEPLOY_FAILED", "a"), other=("DEPLOY_FAILED", "b"))
    world = World([seen(active=failed, serveConfigV2="applications: [{name: app}, {name: other}]")])
    assert world.wait().state == "failed"
    assert world.lines[-1].startswith("   60 s    also: application other is DEPLOY_FAILED: b")
