"""Adding up the replicas' metrics on a scrape, without Serve."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from autoscaling.policy.planner import NOTHING_DECIDED
from autoscaling.policy.status import Status
from serve_app import telemetry_hub
from serve_app.node_floor import Reserved
from serve_app.scaling import Autoscaling
from serve_app.telemetry import Snapshot, Telemetry
from serve_app.telemetry_hub import TelemetryHub


class Platform:
    """Deployments whose replicas answer, or do not."""

    def __init__(self) -> None:
        self.replicas: dict[str, dict[str, Telemetry]] = {"Router": {"r1": Telemetry()}, "m": {"m1": Telemetry()}}
        self.silent: set[str] = set()

    def get_deployment_handle(self, name: str, application: str) -> Any:
        assert application == "test"
        return Handle(self, name)

    def get_replica_context(self) -> Any:
        return type("Context", (), {"app_name": "test"})


class Handle:
    def __init__(self, platform: Platform, name: str) -> None:
        self._platform, self._name = platform, name

    def broadcast(self, method: str) -> Handle:
        assert method == "telemetry"
        return self

    async def results_async(self) -> list[tuple[str, Snapshot]]:
        if self._name in self._platform.silent:
            raise ConnectionError("gone")
        return [(replica, one.snapshot()) for replica, one in self._platform.replicas[self._name].items()]


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Platform:
    made = Platform()
    monkeypatch.setattr(telemetry_hub, "serve", made)
    return made


class Hub(TelemetryHub):
    """Not ended by the garbage collector, which cannot await."""

    def __del__(self) -> None:  # type: ignore[override]
        pass


async def hub(reserved: list[Reserved] | None = None, **scaled: Autoscaling) -> TelemetryHub:
    made = Hub.__new__(Hub)
    await made.__init__(["Router", "m"], scaled, scaled, reserved)  # type: ignore[misc]
    return made


def value(text: bytes, start: str) -> float:
    (line,) = [line for line in text.decode().splitlines() if line.startswith(start)]
    return float(line.rsplit(" ", 1)[1])


REQUESTS = 'headrace_requests_total{model="m"'
READY = 'headrace_model_ready_replicas{model="m"'


def test_totals_outlive_their_replica_and_levels_do_not(platform: Platform) -> None:
    async def scenario() -> None:
        made = await hub()
        for telemetry in (platform.replicas["Router"]["r1"], platform.replicas["m"]["m1"]):
            telemetry.observe_request("m", "1", 200, 0.1)
            telemetry.set_loaded("m", "1", True, 1.0)
        text, content_type = await made.collect()
        assert content_type.startswith("text/plain")
        assert (value(text, REQUESTS), value(text, READY)) == (2, 2)
        platform.replicas["m"] = {"m2": Telemetry()}
        platform.replicas["m"]["m2"].observe_request("m", "1", 200, 0.1)
        text, _ = await made.collect()
        assert (value(text, REQUESTS), value(text, READY)) == (3, 1)

    asyncio.run(scenario())


def test_a_deployment_that_does_not_answer_hides_no_other_and_takes_no_total_back(platform: Platform) -> None:
    async def scenario() -> None:
        made = await hub()
        for telemetry in (platform.replicas["Router"]["r1"], platform.replicas["m"]["m1"]):
            telemetry.observe_request("m", "1", 200, 0.1)
        assert value((await made.collect())[0], REQUESTS) == 2
        platform.silent = {"m"}
        assert value((await made.collect())[0], REQUESTS) == 2
        platform.silent = set()
        platform.replicas["m"]["m1"].observe_request("m", "1", 200, 0.1)
        assert value((await made.collect())[0], REQUESTS) == 3, "and it is not counted twice when it answers again"

    asyncio.run(scenario())


def test_a_deployment_that_hangs_is_left_out_after_a_while(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hangs(_self: object) -> list[tuple[str, Snapshot]]:
        await asyncio.sleep(60)
        return []

    monkeypatch.setattr(telemetry_hub, "SCRAPE_TIMEOUT_S", 0.01)
    monkeypatch.setattr(Handle, "results_async", hangs)

    async def scenario() -> None:
        await asyncio.wait_for((await hub()).collect(), 10)

    asyncio.run(scenario())


def test_replicas_that_ended_long_ago_are_one_sum(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it a platform that scales for a year remembers every replica that it ever had."""

    async def scenario() -> None:
        now_s = [0.0]
        monkeypatch.setattr(telemetry_hub.time, "monotonic", lambda: now_s[0])
        made = await hub()
        for number in range(5):
            replica = Telemetry()
            replica.observe_request("m", "1", 200, 0.1)
            platform.replicas["m"] = {f"m{number}": replica}
            text, _ = await made.collect()
            assert value(text, REQUESTS) == number + 1
            now_s[0] += telemetry_hub.FORGET_AFTER_S + 1
        assert len(made._last) == 2, "the router and the last replica"

    asyncio.run(scenario())


def test_what_the_scaling_policies_say_comes_from_the_store(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = Status()
    status.decide(1, NOTHING_DECIDED._replace(num_replicas=4))
    store = {"test/": {"m": status.dump()}}
    monkeypatch.setattr(telemetry_hub, "read_statuses", store.__getitem__)

    async def scenario() -> None:
        text, _ = await (await hub(m=Autoscaling())).collect()
        assert value(text, "headrace_autoscaling_wanted_replicas{") == 4
        text, _ = await (await hub()).collect()
        assert b"autoscaling" not in text

    asyncio.run(scenario())


def test_a_store_that_is_away_hides_no_other_metric(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_prefix: str) -> dict[str, Any]:
        raise ConnectionError("the store is away")

    monkeypatch.setattr(telemetry_hub, "read_statuses", away)

    async def scenario() -> None:
        platform.replicas["m"]["m1"].observe_request("m", "1", 200, 0.1)
        text, _ = await (await hub(m=Autoscaling(max_replicas=6))).collect()
        assert value(text, REQUESTS) == 1
        assert value(text, "headrace_autoscaling_max_replicas{") == 6

    asyncio.run(scenario())


class Autoscaler:
    """What Ray's was asked for; away as often as is said."""

    def __init__(self) -> None:
        self.asked: list[list[dict[str, float]]] = []
        self.num_away = 0

    def request_resources(self, *, bundles: list[dict[str, float]]) -> None:
        if self.num_away:
            self.num_away -= 1
            raise ConnectionError("the store is away")
        self.asked.append(bundles)


def test_nodes_are_asked_for_again_and_again_and_no_longer_at_the_end(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    autoscaler, status = Autoscaler(), Status()
    monkeypatch.setattr(telemetry_hub, "request_resources", autoscaler.request_resources)
    monkeypatch.setattr(telemetry_hub, "read_statuses", lambda _prefix: {"m": status.dump()})
    monkeypatch.setattr(telemetry_hub, "NODES_S", 0.0)

    async def scenario() -> None:
        reserved = [Reserved("m", {"CPU": 2.0}, 1, 5), Reserved("Router", {"CPU": 0.5}, 1, 1)]
        made = await hub(reserved, m=Autoscaling())
        await until(lambda: autoscaler.asked[:1] == [[{"CPU": 2.0}, {"CPU": 0.5}]])
        status.replicas_in_hour, autoscaler.num_away = 3, 2
        await until(lambda: autoscaler.asked[-1] == [*[{"CPU": 2.0}] * 3, {"CPU": 0.5}])
        await TelemetryHub.__del__(made)
        assert autoscaler.asked[-1] == []
        num = len(autoscaler.asked)
        await asyncio.sleep(0.01)
        assert len(autoscaler.asked) == num

    asyncio.run(asyncio.wait_for(scenario(), 10))


def test_where_it_is_not_wanted_no_node_is_asked_for(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    autoscaler = Autoscaler()
    monkeypatch.setattr(telemetry_hub, "request_resources", autoscaler.request_resources)

    async def scenario() -> None:
        made = await hub()
        await asyncio.sleep(0)
        await TelemetryHub.__del__(made)

    asyncio.run(scenario())
    assert autoscaler.asked == []


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - worker threads make it true
        await asyncio.sleep(0.001)
