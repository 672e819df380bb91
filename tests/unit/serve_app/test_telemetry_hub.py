"""Adding up the replicas' metrics on a scrape, without Serve."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from autoscaling.policy.planner import NOTHING_DECIDED
from autoscaling.policy.status import Status
from serve_app import telemetry_hub
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


async def hub(**scaled: Autoscaling) -> TelemetryHub:
    made = TelemetryHub.__new__(TelemetryHub)
    await made.__init__(["Router", "m"], scaled, scaled)  # type: ignore[misc]
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
