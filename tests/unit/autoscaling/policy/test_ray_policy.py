"""The policy as Ray calls it: its numbers, and that nothing it is given makes it raise."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.serve.config import AutoscalingPolicy

from autoscaling.policy import HeadracePolicy
from autoscaling.policy.capacity import BatchCurve, capacity_of
from autoscaling.policy.learned import Learned
from autoscaling.policy.ray_policy import CAREFUL_S, STALE_S
from autoscaling.policy.season import Season
from autoscaling.policy.signals import (
    BUSY_S,
    CALL_S,
    ENDED,
    LATE,
    MAX_REPLICAS,
    MAX_ROWS,
    OFFERED,
    QUEUED,
    ROW_S,
)
from serve_app.scaling import POLICY

REPLICA_PER_S = 8 / 0.6


class Point(NamedTuple):
    timestamp: float
    value: float


class Deployment:
    """A policy, and the replicas that it asks for, with the reports of one router."""

    def __init__(self, *, startup_s: float = 10.0, low: int = 1, high: int = 60, **options: Any) -> None:
        self.policy = HeadracePolicy(slo_s=1.5, curve=(0.2, 0.05, 8), startup_s=startup_s, **options)
        self.startup_s, self.low, self.high = startup_s, low, high
        self.now_s, self.offered, self.late = 1e9, 1000.0, 0.0
        self.target = self.ready = max(low, 1)
        self._ready_at: list[float] = []
        self.reports = True

    def context(self, **changes: Any) -> SimpleNamespace:
        totals = {OFFERED: self.offered, ENDED: self.offered, LATE: self.late, QUEUED: 0.0}
        raw = {f"{name}r": {"replica": [Point(self.now_s - 0.5, total)]} for name, total in totals.items()}
        values: dict[str, Any] = {
            "app_name": "default",
            "deployment_name": "m-v1-cpu",
            "current_num_replicas": self.ready,
            "target_num_replicas": self.target,
            "raw_metrics": raw if self.reports and self.ready else {},
            "capacity_adjusted_min_replicas": self.low,
            "capacity_adjusted_max_replicas": self.high,
            "current_time": self.now_s,
            "config": SimpleNamespace(metrics_interval_s=1.0),
        }
        return SimpleNamespace(**(values | changes))

    def run(self, seconds: int, rate_per_s: float, late_per_s: float = 0.0) -> int:
        for _ in range(seconds):
            self.now_s += 1.0
            self.offered += rate_per_s
            self.late += late_per_s
            self.ready += sum(at_s <= self.now_s for at_s in self._ready_at)
            self._ready_at = [at_s for at_s in self._ready_at if at_s > self.now_s]
            wanted, state = self.policy(self.context())
            assert state == {}
            if wanted > self.target:
                self._ready_at += [self.now_s + self.startup_s] * (wanted - self.target)
            else:
                self.ready = min(self.ready, wanted)
                self._ready_at = self._ready_at[: max(0, wanted - self.ready)]
            self.target = wanted
        return self.target


def test_it_follows_the_arrivals_up_and_down_and_says_why() -> None:
    deployment = Deployment()
    assert deployment.run(300, 100.0) * REPLICA_PER_S > 100.0
    calm = deployment.target
    assert calm <= 11
    assert deployment.run(20, 250.0) * REPLICA_PER_S > 250.0
    deployment.run(600, 100.0)
    assert deployment.target <= calm + 1
    words = [entry["words"] for entry in deployment.policy.explain()]
    assert any("sudden rise" in text or "forecast" in text for text in words)
    assert all(" -> " in text for text in words)
    assert deployment.policy.num_errors == 0


def test_bounds_hold() -> None:
    assert Deployment(low=3, high=5).run(200, 0.0) == 3
    assert Deployment(low=3, high=5).run(200, 1000.0) == 5


def test_nothing_goes_while_it_knows_little_or_hears_nothing() -> None:
    deployment = Deployment()
    deployment.target = deployment.ready = 9
    assert deployment.run(int(CAREFUL_S) - 5, 1.0) == 9
    assert deployment.run(200, 1.0) == 1
    deployment.run(300, 100.0)
    high = deployment.target
    deployment.reports = False
    assert deployment.run(int(STALE_S) + 1000, 0.0) == high


def test_a_service_that_refuses_does_not_look_calm() -> None:
    calm, shedding = Deployment(), Deployment()
    calm.run(900, 100.0)
    shedding.run(900, 100.0, late_per_s=30.0)
    assert shedding.target > calm.target


def test_the_last_replica_goes_after_its_time_and_comes_back() -> None:
    deployment = Deployment(low=0, keep_alive_s=60.0)
    deployment.run(300, 5.0)
    assert deployment.run(50, 0.0) == 1
    assert deployment.run(60, 0.0) == 0
    # Serve brings the first one up itself, and it reports what has gathered.
    deployment.target = deployment.ready = 1
    assert deployment.run(10, 5.0) == 1


def test_between_ticks_it_answers_what_it_said_and_bears_a_clock_that_jumps() -> None:
    deployment = Deployment()
    deployment.run(300, 100.0)
    said = deployment.target
    assert deployment.policy(deployment.context())[0] == said
    deployment.now_s -= 5000.0
    assert deployment.run(60, 100.0) == said
    deployment.now_s += 86_400.0
    assert abs(deployment.run(60, 100.0) - said) <= 1
    assert deployment.policy.num_errors == 0


def test_batches_as_the_replicas_report_them_count_more_than_the_settings() -> None:
    deployment = Deployment()
    plain = deployment.run(300, 100.0)
    reports = {CALL_S: 0.4, ROW_S: 0.1, MAX_ROWS: 8.0}

    def context(**changes: Any) -> SimpleNamespace:
        made = Deployment.context(deployment, **changes)
        made.raw_metrics |= {name: {"replica": [Point(deployment.now_s, value)]} for name, value in reports.items()}
        return made

    deployment.context = context  # type: ignore[method-assign]
    assert deployment.run(60, 100.0) > 1.7 * plain


@pytest.mark.parametrize(
    "options",
    [
        {"slo_s": 0},
        {"late_ratio": 1},
        {"curve": (0, 0, 8)},
        {"curve": (0.1, 0.1, 0)},
        {"startup_s": -1},
        {"goal": {"x": 1}},
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        HeadracePolicy(**options)


NUMBER = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.integers(-3, 10**20), st.none(), st.just("x"))
POINT = st.one_of(NUMBER, st.builds(Point, NUMBER, NUMBER))
RAW = st.one_of(
    NUMBER,
    st.dictionaries(
        st.sampled_from([OFFERED + "r", ENDED + "r", LATE + "r", QUEUED + "r", CALL_S, ROW_S, MAX_ROWS]),
        st.one_of(NUMBER, st.dictionaries(st.sampled_from(["a", "b"]), st.lists(POINT, max_size=3), max_size=2)),
        max_size=5,
    ),
)
CONTEXT = st.fixed_dictionaries(
    {},
    optional={
        "current_num_replicas": NUMBER,
        "target_num_replicas": NUMBER,
        "raw_metrics": RAW,
        "capacity_adjusted_min_replicas": NUMBER,
        "capacity_adjusted_max_replicas": NUMBER,
        "current_time": NUMBER,
        "config": st.none(),
        "app_name": NUMBER,
    },
)


@settings(deadline=None, max_examples=200)
@given(changes=st.lists(st.one_of(CONTEXT, st.none()), min_size=1, max_size=30))
def test_no_context_makes_it_raise(changes: list[dict[str, Any] | None]) -> None:
    deployment = Deployment()
    deployment.run(3, 50.0)
    for change in changes:
        deployment.now_s += 1.0
        context = None if change is None else deployment.context(**change)
        wanted, state = deployment.policy(context)
        assert isinstance(wanted, int)
        assert 0 <= wanted <= 1_000_000
        assert state == {}


def test_a_context_that_raises_keeps_the_number() -> None:
    class Broken:
        target_num_replicas = 7

        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

    deployment = Deployment()
    assert deployment.policy(Broken()) == (7, {})
    assert deployment.policy.num_errors == 1


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[], dict[str, Any]]]:
    """A cluster's store: key to what gives the entry."""
    told: dict[str, Callable[[], dict[str, Any]]] = {}

    def read(key: str) -> dict[str, Any] | None:
        return json.loads(json.dumps(told[key]())) if key in told else None

    class Store:
        def __init__(self, key: str, recall: Callable[[str], Any] | None = None) -> None:
            self.key, self.before = key, (recall or read)(key)

        def received(self) -> Any:
            before, self.before = self.before, None
            return before

        def keep(self, content: Callable[[], dict[str, Any]]) -> None:
            told[self.key] = content

    # Where other tests have unpickled a policy in this process, its methods have globals of their own.
    names = Learned.recall.__globals__
    monkeypatch.setitem(names, "Memory", Store)
    monkeypatch.setitem(names, "in_cluster", lambda: True)
    monkeypatch.setitem(names, "read", read)
    monkeypatch.setitem(names, "other_versions", lambda key: [k for k in told if k.startswith("season:") and k != key])
    return told


def test_what_batches_take_is_known_to_the_next_policy(told: dict[str, Callable[[], dict[str, Any]]]) -> None:
    first = Deployment()
    raw = {name: {"replica": [Point(1e9, value)]} for name, value in {CALL_S: 0.4, ROW_S: 0.1, MAX_ROWS: 8.0}.items()}
    first.policy(first.context(raw_metrics=raw))
    first.run(90, 100.0)
    assert told["status:default/m-v1-cpu"]()["curve"] == (0.4, 0.1, 8)
    second = Deployment()
    second.run(10, 0.0)
    assert told["status:default/m-v1-cpu"]()["curve"] == (0.4, 0.1, 8)
    assert told["status:default/m-v1-cpu"]()["now"]["replica_per_s"] == pytest.approx(3 / 0.7)


def test_earlier_days_are_known_to_the_next_policy(told: dict[str, Callable[[], dict[str, Any]]]) -> None:
    first = Deployment()
    first.run(1805, 10.0)
    second = Deployment()
    second.run(1, 0.0)
    known = second.policy._learned.hourly._history.values
    assert len(known) >= 5
    assert known == first.policy._learned.hourly._history.values[: len(known)]


def test_a_new_version_knows_the_season_of_the_one_that_was_there_last(
    told: dict[str, Callable[[], dict[str, Any]]],
) -> None:
    def keep(version: str, season: Season) -> None:
        told[f"season:default/m-v{version}-cpu"] = lambda: {"season": season.to_json(), "hourly": None}

    keep("0", Season())
    for version, day in (("1", 11_570), ("2", 11_573), ("3", 11_560)):
        season = Season()
        season.load(86_400.0 * day, np.full(1440, 60.0), 60.0)
        keep(version, season)
    deployment = Deployment()
    deployment.policy(deployment.context(deployment_name="m-v4-cpu"))
    assert [day for day, _ in deployment.policy._learned.season.to_json()["days"]] == [11_573]


def test_what_it_tells_follows_what_it_does_and_its_failures(
    told: dict[str, Callable[[], dict[str, Any]]], caplog: pytest.LogCaptureFixture
) -> None:
    deployment = Deployment()
    deployment.run(300, 100.0)
    found = told["status:default/m-v1-cpu"]()
    assert found["num_wanted"] == deployment.target
    assert found["num_ready"] == deployment.ready
    assert found["heard_at_s"] == deployment.now_s
    assert found["now"]["rate_per_s"] == pytest.approx(100.0, rel=0.1)
    assert sum(found["decisions"].values()) == 300
    assert found["changes"]["up"] >= 1
    assert found["num_errors"] == 0

    fails = Deployment()
    fails.policy._decide = lambda context: 1 // 0  # type: ignore[method-assign]
    told.clear()
    assert fails.policy(fails.context(target_num_replicas=5)) == (5, {})
    found = told["status:default/m-v1-cpu"]()
    assert (found["num_errors"], found["num_wanted"], found["now"]) == (1, 5, None)
    assert "autoscaling of default/m-v1-cpu failed 1 times; the number is kept" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_its_bytes_load_where_the_package_is_not(tmp_path: Any) -> None:
    pickled = tmp_path / "policy.pickle"
    pickled.write_bytes(AutoscalingPolicy(policy_function=POLICY).get_serialized_policy_def() or b"")
    script = f"""
import pickle, sys
from collections.abc import Iterator
from types import SimpleNamespace
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('autoscaling', 'serve_app', 'models'):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
policy = pickle.load(open({str(pickled)!r}, 'rb'))(slo_s=1.5, curve=[0.2, 0.05, 8])
point = lambda at_s: {{'offered.r': {{'a': [SimpleNamespace(timestamp=at_s, value=100.0 * at_s)]}}}}
for second in range(300):
    number, state = policy(SimpleNamespace(app_name='a', deployment_name='d', current_num_replicas=9,
        target_num_replicas=9, raw_metrics=point(second), capacity_adjusted_min_replicas=1,
        capacity_adjusted_max_replicas=60, current_time=float(second), config=None))
print(number, policy.num_errors)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    number, num_errors = map(int, done.stdout.split())
    assert number * REPLICA_PER_S > 100.0
    assert num_errors == 0


def test_of_many_replicas_a_bounded_number_is_read() -> None:
    read: list[int] = []

    class Series(list[Point]):
        def __init__(self, replica: int, points: list[Point]) -> None:
            super().__init__(points)
            self.replica = replica

        def __iter__(self) -> Iterator[Point]:
            read.append(self.replica)
            return super().__iter__()

        def __reversed__(self) -> Iterator[Point]:
            read.append(self.replica)
            return super().__reversed__()

    deployment = Deployment()
    deployment.run(300, 100.0)
    said, deployment.now_s = deployment.target, deployment.now_s + 1.0
    totals = {OFFERED: deployment.offered, ENDED: deployment.offered, LATE: 0.0, QUEUED: 0.0}
    raw = {
        f"{name}r": {k: Series(k, [Point(deployment.now_s, total)]) for k in range(2000)}
        for name, total in totals.items()
    }
    assert deployment.policy(deployment.context(raw_metrics=raw))[0] == said
    assert 1 < len(set(read)) <= MAX_REPLICAS


def test_schedules_behaviour_and_thresholds_have_their_say() -> None:
    scheduled = Deployment(schedules=[{"cron": "* * * * *", "duration_s": 60, "min_replicas": 7, "name": "fair"}])
    assert scheduled.run(10, 1.0) == 7
    assert scheduled.policy.explain()[-1]["words"].endswith("; schedule fair, at least 7")

    slow = Deployment(behavior={"scale_up": {"policies": [{"type": "Pods", "value": 1, "period_s": 60}]}})
    slow.run(30, 400.0)
    assert slow.target == 2
    assert "behaviour lets" in slow.policy.explain()[-1]["words"]

    steps = Deployment(thresholds={"up_ratio": 0.5})
    steps.target = steps.ready = 4
    reported = steps.context

    def busy(**changes: Any) -> SimpleNamespace:
        context = reported(**changes)
        context.raw_metrics |= {BUSY_S: {"replica": [Point(steps.now_s, 0.8 * (steps.now_s - 1e9))]}}
        return context

    steps.context = busy  # type: ignore[method-assign]
    assert steps.run(20, 1.0) == 6
    assert "utilisation 0.80" in steps.policy.explain()[-1]["words"]


def test_a_new_policy_does_not_step_down_at_its_first_samples() -> None:
    steps = Deployment(thresholds={"down_cooldown_s": 0.0})
    steps.target = steps.ready = 10
    reported = steps.context

    def idle(**changes: Any) -> SimpleNamespace:
        context = reported(**changes)
        context.raw_metrics |= {BUSY_S: {"replica": [Point(steps.now_s, 0.0)]}}
        return context

    steps.context = idle  # type: ignore[method-assign]
    assert steps.run(int(CAREFUL_S), 1.0) == 10
    assert steps.run(2, 1.0) < 10


def test_a_schedule_brings_a_deployment_back_from_none() -> None:
    deployment = Deployment(
        low=0, keep_alive_s=5.0, schedules=[{"cron": "* * * * *", "duration_s": 60, "min_replicas": 2}]
    )
    deployment.target = deployment.ready = 0
    assert deployment.run(3, 0.0) == 2


def test_the_replica_that_serve_brings_up_is_not_taken_before_its_request_is_known() -> None:
    deployment = Deployment(low=0, keep_alive_s=20.0)
    deployment.run(100, 0.0)
    assert deployment.target == 0
    deployment.run(1000, 0.0)
    deployment.target = deployment.ready = 1
    deployment.reports = False
    assert deployment.run(15, 0.0) == 1


@pytest.mark.parametrize(("begins_s", "is_held"), [(-6 * 3600, True), (6 * 3600, False)])
def test_the_forecast_of_an_hour_ahead_holds_replicas_where_it_expects_requests_only(
    begins_s: int, is_held: bool
) -> None:
    # Twelve busy hours a day, which begin so long before or after the test; a request in a quarter of an hour else.
    deployment = Deployment(low=0, keep_alive_s=60.0)
    seconds = np.arange(-10 * 86_400, 0)
    rates = np.maximum(100.0 * np.sin(2.0 * np.pi * (seconds - begins_s) / 86_400), 0.001)
    deployment.policy.learn(1e9 + float(seconds[0]), np.random.default_rng(0).poisson(rates).tolist())
    assert deployment.policy._learned.hourly.forecast().bound_per_s > 0.0
    assert deployment.policy._learned.hourly.forecast().confidence >= 0.8
    deployment.run(400, 0.0)
    assert (deployment.target * REPLICA_PER_S >= 45.0) if is_held else (deployment.target == 0)


def test_a_night_without_replicas_is_a_night_without_requests() -> None:
    deployment = Deployment(low=0, keep_alive_s=20.0)
    deployment.run(300, 5.0)
    deployment.run(100, 0.0)
    assert deployment.target == 0
    history = deployment.policy._learned.hourly._history
    before = history.num_known
    deployment.run(3000, 0.0)
    assert history.num_known == before + 10
    assert history.values[-9:] == [0.0] * 9


def test_reports_that_go_missing_are_no_lack_of_requests() -> None:
    deployment = Deployment(low=0, keep_alive_s=60.0)
    deployment.run(300, 50.0)
    serving = deployment.target
    assert serving > 1
    deployment.reports = False
    assert deployment.run(600, 50.0) == serving
    deployment.reports = True
    deployment.run(60, 0.0)
    assert deployment.run(60, 0.0) == 0


def test_a_replica_that_was_never_heard_of_goes_after_its_time() -> None:
    deployment = Deployment(low=0, keep_alive_s=60.0)
    deployment.reports = False
    assert deployment.run(59, 0.0) == 1
    assert deployment.run(5, 0.0) == 0


def test_on_the_way_to_none_it_does_not_take_serve_s_stop_at_one_for_a_request() -> None:
    deployment = Deployment(low=0, keep_alive_s=20.0)
    deployment.run(100, 80.0)
    assert deployment.target > 2
    targets = []
    for _ in range(60):
        wanted = deployment.run(1, 0.0)
        # Serve goes to none by one only.
        if wanted == 0 and (not targets or targets[-1] > 1):
            deployment.target = deployment.ready = 1
        targets.append(deployment.target)
    assert targets[-1] == 0
    assert "no request for 2" in deployment.policy.explain()[-1]["words"]


@pytest.mark.parametrize(("min_confidence", "is_told"), [(0.0, True), (1.0, False), (None, False)])
def test_what_the_coming_hour_takes_is_told_where_its_forecast_deserves_it(
    min_confidence: float | None, is_told: bool
) -> None:
    deployment = Deployment(min_confidence=min_confidence)
    learned = deployment.policy._learned
    for place in range(3 * 288 + 60):
        learned.hourly.add(100.0 - 90.0 * math.cos(2.0 * math.pi * place / 288))
    capacity = capacity_of(BatchCurve(0.2, 0.05, 8), 1.5)
    soon, in_hour = (learned.hourly.floor(capacity, within_s, 0.0) for within_s in (10.0, 3600.0))
    assert soon is not None
    assert in_hour is not None
    assert soon < in_hour, "it rises"
    assert learned.status.dump()["replicas_in_hour"] is None
    deployment.run(2, 50.0)
    assert learned.status.dump()["replicas_in_hour"] == (in_hour if is_told else None)
    assert deployment.policy.num_errors == 0
