"""A RayService in the fake cluster as tests follow it: apply, step, and what the status said on the way."""

from __future__ import annotations

from typing import Any, NamedTuple

from kubernetes.dynamic import DynamicClient

from tests.kuberay.fake_api.cluster import FakeCluster
from tests.kuberay.fake_api.conditions import condition
from tests.kuberay.fake_api.operator import Operator


class Step(NamedTuple):
    """What the status says: conditions as `status/reason`, applications as name -> status."""

    observed: int | None
    ready: str
    upgrading: str
    active_apps: dict[str, str]
    pending_apps: dict[str, str]
    num_endpoints: int


class Rollout:
    """The RayService `svc` of the namespace default, through the real client.

    Args:
        cluster: Where it is.
        dynamic: A client of that cluster.
        operator: Who acts on it.
    """

    def __init__(self, cluster: FakeCluster, dynamic: DynamicClient, operator: Operator) -> None:
        self.cluster = cluster
        self.operator = operator
        self._dynamic = dynamic

    def resource(self, api_version: str, kind: str) -> Any:
        """One kind, to read and write."""
        return self._dynamic.resources.get(api_version=api_version, kind=kind)

    def apply(self, body: dict[str, Any]) -> None:
        """Apply as Headrace does, without force."""
        services = self.resource("ray.io/v1", "RayService")
        services.server_side_apply(body, namespace="default", field_manager="headrace")

    def live(self) -> dict[str, Any]:
        """The service as it is stored."""
        found: dict[str, Any] = self.resource("ray.io/v1", "RayService").get(name="svc", namespace="default").to_dict()
        return found

    def status(self) -> dict[str, Any]:
        """Its status."""
        status: dict[str, Any] = self.live()["status"]
        return status

    def active(self) -> str:
        """Name of the cluster that serves."""
        name: str = self.status()["activeServiceStatus"]["rayClusterName"]
        return name

    def names(self, api_version: str, kind: str) -> list[str]:
        """Names of the objects of a kind."""
        return [item.metadata.name for item in self.resource(api_version, kind).get(namespace="default").items]

    def cluster_of(self, name: str) -> dict[str, Any]:
        """A RayCluster."""
        found: dict[str, Any] = self.resource("ray.io/v1", "RayCluster").get(name=name, namespace="default").to_dict()
        return found

    def pods(self) -> list[dict[str, Any]]:
        """All pods."""
        return [item.to_dict() for item in self.resource("v1", "Pod").get(namespace="default").items]

    def warnings(self) -> list[tuple[str, str]]:
        """Kind of whom it is about, and reason, of every Warning."""
        found = self.resource("v1", "Event").get(namespace="default", field_selector="type=Warning").items
        return [(event.involvedObject.kind, event.reason) for event in found]

    def last(self) -> Step:
        """What the status says now."""
        status = self.status()
        conditions = status.get("conditions", [])
        ready, upgrading = condition(conditions, "Ready"), condition(conditions, "UpgradeInProgress")
        return Step(
            status.get("observedGeneration"),
            f"{ready.get('status')}/{ready.get('reason')}",
            f"{upgrading.get('status')}/{upgrading.get('reason')}",
            _apps(status.get("activeServiceStatus", {})),
            _apps(status.get("pendingServiceStatus", {})),
            status.get("numServeEndpoints", 0),
        )

    def watch_steps(self, num_steps: int) -> list[Step]:
        """Let the operator go on; gives what the status came to say, each change once."""
        before = self.last() if "status" in self.live() else None
        seen: list[Step] = []
        for _ in range(num_steps):
            self.operator.step()
            if "status" in self.live() and (now := self.last()) != before:
                seen.append(now)
                before = now
        return seen

    def run_until_ready(self, generation: int = 1) -> None:
        """Go on until all of a generation is up."""
        for _ in range(60):
            self.operator.step()
            last = self.last() if "status" in self.live() else None
            if last is None or (last.observed, last.ready[:4], last.upgrading[:5]) != (generation, "True", "False"):
                continue
            if set(last.active_apps.values()) == {"RUNNING"}:
                return
        raise AssertionError(f"not ready after {self.cluster.clock.elapsed_s()} s: {self.live().get('status')}")


def _apps(part: dict[str, Any]) -> dict[str, str]:
    return {name: app["status"] for name, app in part.get("applicationStatuses", {}).items()}
