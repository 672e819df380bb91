"""What a policy learned is read and written beside it."""

from __future__ import annotations

import json
import sys
import threading
import time
from types import ModuleType
from typing import Any

import pytest

from autoscaling.policy.memory import Memory, in_cluster, other_versions, read, read_decisions, read_statuses


class Store(ModuleType):
    """The functions of `ray.experimental.internal_kv` that are used, over a dictionary."""

    def __init__(self) -> None:
        super().__init__("ray.experimental.internal_kv")
        self.entries: dict[bytes, bytes] = {}
        self.fails = False

    def _internal_kv_get(self, key: bytes, namespace: bytes) -> bytes | None:
        if self.fails:
            raise ConnectionError("the store is away")
        return self.entries.get(key)

    def _internal_kv_put(self, key: bytes, value: bytes, overwrite: bool, namespace: bytes) -> None:
        self.entries[key] = value

    def _internal_kv_list(self, prefix: bytes, namespace: bytes) -> list[bytes]:
        return [key for key in self.entries if key.startswith(prefix)]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store()
    monkeypatch.setitem(sys.modules, "ray.experimental.internal_kv", store)
    monkeypatch.setattr("autoscaling.policy.memory.WRITE_S", 0.001)
    return store


def eventually(seen: Any) -> Any:
    until_s = time.monotonic() + 10.0
    while not (found := seen()):
        assert time.monotonic() < until_s
        time.sleep(0.002)
    return found


def test_what_was_kept_is_received_once_by_the_next(store: Store) -> None:
    first = Memory("app/m")
    first.keep(lambda: {"starts": [1.5]})
    eventually(lambda: store.entries)
    second = Memory("app/m")
    assert eventually(second.received) == {"starts": [1.5]}
    assert second.received() is None


def test_what_takes_long_to_make_is_made_in_the_thread(store: Store) -> None:
    store.entries = {b"app/m": b'{"x": 1}'}
    threads: list[str] = []

    def recall(key: str) -> int:
        threads.append(threading.current_thread().name)
        return int((read(key) or {})["x"])

    memory = Memory("app/m", recall)
    assert eventually(memory.received) == 1
    assert threads == ["headrace-autoscaling-memory"]


def test_an_entry_of_which_nothing_can_be_made_is_passed_over(store: Store) -> None:
    store.entries = {b"app/m": b'{"x": 1}'}
    memory = Memory("app/m", lambda key: (read(key) or {})["y"])
    memory.keep(lambda: {"y": 2})
    eventually(lambda: store.entries[b"app/m"] == b'{"y": 2}')
    assert memory.received() is None


def test_the_thread_ends_with_its_policy(store: Store) -> None:
    memory = Memory("app/m")
    mailbox = memory._mailbox
    del memory
    assert mailbox.closed.is_set()


def test_a_store_that_is_away_costs_the_memory_alone(store: Store) -> None:
    store.fails = True
    memory = Memory("app/m")
    memory.keep(lambda: {"starts": []})
    eventually(lambda: store.entries)
    assert memory.received() is None


def test_decisions_of_one_application_are_read_by_deployment(store: Store) -> None:
    store.entries = {
        b"app/m": json.dumps({"starts": [4.5], "decisions": [{"words": "1 -> 3"}]}).encode(),
        b"app/n": b"{}",
        b"other/m": b"{}",
        b"status:app/m": json.dumps({"now": {"num_replicas": 3}, "curve": [0.1, 0, 8], "num_errors": 2}).encode(),
        b"status:app/o": json.dumps({"now": None, "curve": None, "num_errors": 9}).encode(),
        b"status:other/m": b"{}",
    }
    unknown: dict[str, Any] = {"now": None, "changes": [], "starts_s": [], "curve": None, "num_errors": 0}
    assert read_decisions("app/") == [
        {
            "deployment": "m",
            "now": {"num_replicas": 3},
            "changes": [{"words": "1 -> 3"}],
            "starts_s": [4.5],
            "curve": [0.1, 0, 8],
            "num_errors": 2,
        },
        unknown | {"deployment": "n"},
        # One that failed at every call, and so learned nothing.
        unknown | {"deployment": "o", "num_errors": 9},
    ]
    assert set(read_statuses("app/")) == {"m", "o"}
    assert read("app/absent") is None


def test_other_versions_of_a_deployment_are_found_by_their_names(store: Store) -> None:
    names = ("m-v1-cpu", "m-v1.5-cpu", "m-v2-cpu", "m-v1-gpu", "n-v1-cpu", "m-v-cpu", "m-cpu")
    store.entries = {f"season:app/{name}".encode(): b"{}" for name in names}
    assert other_versions("season:app/m-v2-cpu") == ["season:app/m-v1-cpu", "season:app/m-v1.5-cpu"]
    assert other_versions("season:app/Preprocessor-image") == []


def test_a_process_without_ray_has_no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    assert not in_cluster()
