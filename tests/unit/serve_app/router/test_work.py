"""What requests cost a router, as its scaling policy is told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from autoscaling.policy.ray_policy import HeadracePolicy
from autoscaling.policy.signals import BUSY_S, CALL_S, ENDED, MAX_ROWS, OFFERED, ROW_S
from serve_app.router.work import FIRST_CURVE, FULL_RATIO, RouterWork


class Process:
    """A router whose requests take some CPU time, beside a little that it takes without any."""

    def __init__(self, name: str, request_s: float, idle_ratio: float = 0.02) -> None:
        self.name, self.request_s, self.idle_ratio = name, request_s, idle_ratio
        self.now_s, self.cpu_s, self.num = 0.0, 3.0, 0
        self.work = RouterWork(lambda: self.now_s, lambda: self.cpu_s)

    def second(self, num_requests: int) -> dict[str, float]:
        self.now_s += 1.0
        self.cpu_s += num_requests * self.request_s + self.idle_ratio
        self.num += num_requests
        return self.work.stats(self.name, self.num, self.num)


def test_requests_and_cpu_time_are_told_from_the_first_look_on() -> None:
    work = RouterWork(lambda: 5.0, lambda: 1.25)
    assert work.stats("r", 9, 8) == {OFFERED + "r": 9.0, ENDED + "r": 8.0, BUSY_S: 1.25}


def test_a_request_s_cost_is_learned_under_load_and_kept_without() -> None:
    process = Process("r", 0.002)
    process.second(0)
    for _ in range(5):
        assert CALL_S not in process.second(1), "what it does without requests would be counted to one"
    for _ in range(5):
        found = process.second(200)
    assert found[CALL_S] == pytest.approx(0.002 / FULL_RATIO, rel=0.06)
    assert (found[ROW_S], found[MAX_ROWS]) == (0.0, 1.0)
    for _ in range(100):
        assert process.second(0)[CALL_S] == found[CALL_S]


def test_a_start_that_computed_and_what_requests_cost_before_fade() -> None:
    process = Process("r", 0.002)
    process.second(0)
    process.cpu_s += 0.8
    assert process.second(2)[CALL_S] > 0.1
    for _ in range(10):
        found = process.second(300)
    assert found[CALL_S] == pytest.approx(0.002 / FULL_RATIO, rel=0.1)
    process.request_s = 0.001
    for _ in range(10):
        found = process.second(500)
    assert found[CALL_S] == pytest.approx(0.001 / FULL_RATIO, rel=0.1)


def scaled(policy: HeadracePolicy, rate_per_s: int, seconds: int, request_s: float, at_s: int) -> int:
    """Let routers be asked, the rate shared, and do what the policy says."""
    routers = [Process(f"{at_s}", request_s)]
    points: dict[str, dict[str, list[Any]]] = {}
    for second in range(at_s, at_s + seconds):
        for router in routers:
            for name, value in router.second(round(rate_per_s / len(routers))).items():
                series = points.setdefault(name, {}).setdefault(router.name, [])
                series.append(SimpleNamespace(timestamp=float(second), value=value))
                del series[:-5]
        context = SimpleNamespace(
            app_name="a", deployment_name="Router", config=SimpleNamespace(metrics_interval_s=1.0),
            target_num_replicas=len(routers), current_num_replicas=len(routers), current_time=float(second),
            capacity_adjusted_min_replicas=1, capacity_adjusted_max_replicas=8, raw_metrics=points,
        )  # fmt: skip
        wanted, _ = policy(context)
        routers += [Process(f"{second}/{number}", request_s) for number in range(len(routers), wanted)]
        for gone in routers[wanted:]:
            for series_of in points.values():
                series_of.pop(gone.name, None)
        del routers[wanted:]
    assert policy.num_errors == 0
    return len(routers)


def test_the_policy_has_as_many_routers_as_their_requests_take() -> None:
    """1,200 a second at 2 ms each are 2.4 s of CPU time a second: three processes that are full at four fifths."""
    policy = HeadracePolicy(curve=FIRST_CURVE, startup_s=5.0)
    assert scaled(policy, 100, 60, 0.002, 0) == 1
    assert scaled(policy, 1200, 300, 0.002, 60) == 4


def test_thresholds_see_the_routers_cpu_time() -> None:
    policy = HeadracePolicy(curve=FIRST_CURVE, thresholds={"up_ratio": 0.7})
    assert scaled(policy, 300, 60, 0.002, 0) == 1, "62 % of a core"
    assert scaled(policy, 400, 60, 0.002, 60) == 2, "82 %, then half of it each"
