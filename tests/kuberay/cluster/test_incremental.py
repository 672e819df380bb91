"""Incremental upgrades against the fake cluster: traffic that goes over, that goes back, that cannot be moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kuberay.cluster.client import ApiServer
from kuberay.cluster.exits import Exit
from tests.kuberay.cluster.conftest import Session, check_golden
from tests.kuberay.fake_api.manifests import ray_service

GATEWAYS = "gateway.networking.k8s.io/v1"
OPTIONS = {"gatewayClassName": "istio", "stepSizePercent": 50, "intervalSeconds": 10}


def incrementally(image: str) -> dict[str, Any]:
    strategy = {"type": "NewClusterWithIncrementalUpgrade", "clusterUpgradeOptions": OPTIONS}
    service = ray_service(image=image, upgradeStrategy=strategy)
    service["spec"]["rayClusterConfig"]["enableInTreeAutoscaling"] = True
    return service


@pytest.fixture
def upgrading(session: Session) -> Iterator[Session]:
    """A service of the image `ray:1` in a cluster with Gateways, ready; nothing printed yet."""
    for kind, plural in (("Gateway", "gateways"), ("GatewayClass", "gatewayclasses")):
        session.cluster.install_open_kind(GATEWAYS, kind, plural, namespaced=kind == "Gateway")
    with ApiServer(session.cluster.api_client(), "default") as session.server:
        session.server.apply({"apiVersion": GATEWAYS, "kind": "GatewayClass", "metadata": {"name": "istio"}})
        assert session.apply(incrementally("ray:1"), wait=True) is Exit.DONE
        session.lines.clear()
        yield session


def image(session: Session) -> str:
    """Of the cluster that serves."""
    cluster = session.server.get("ray.io/v1", "RayCluster", status(session)["activeServiceStatus"]["rayClusterName"])
    assert cluster is not None
    found: str = cluster["spec"]["headGroupSpec"]["template"]["spec"]["containers"][0]["image"]
    return found


def meanwhile(session: Session, *steps: tuple[Callable[[Session], bool], Callable[[], object]]) -> None:
    """Do something in the middle of a wait: each step once it is due, one after the other."""
    left = list(steps)

    def sleep(seconds: float) -> None:
        session.operator.run(seconds)
        if left and left[0][0](session):
            left.pop(0)[1]()

    session.terminal = session.terminal._replace(sleep=sleep)


def status(session: Session) -> dict[str, Any]:
    live = session.server.get("ray.io/v1", "RayService", "svc")
    assert live is not None
    found: dict[str, Any] = live["status"]
    return found


def is_half_way(session: Session) -> bool:
    return bool(status(session)["pendingServiceStatus"].get("trafficRoutedPercent") == 50)


def is_going_back(session: Session) -> bool:
    return any(entry["type"] == "RollbackInProgress" for entry in status(session)["conditions"])


def test_traffic_goes_over(upgrading: Session) -> None:
    assert upgrading.apply(incrementally("ray:2"), wait=True) is Exit.DONE
    check_golden("incremental_upgrade", upgrading.lines)


def test_a_change_back_is_ready_once_all_has_gone_back(upgrading: Session) -> None:
    upgrading.apply(incrementally("ray:2"))
    while not is_half_way(upgrading):
        upgrading.operator.run(2.0)
    upgrading.lines.clear()
    assert upgrading.rollback() is Exit.DONE
    assert image(upgrading) == "ray:1"
    check_golden("incremental_rollback", upgrading.lines)


def test_a_third_spec_comes_after_all_has_gone_back(upgrading: Session) -> None:
    upgrading.apply(incrementally("ray:2"))
    while not is_half_way(upgrading):
        upgrading.operator.run(2.0)
    assert upgrading.apply(incrementally("ray:3"), wait=True) is Exit.DONE
    assert image(upgrading) == "ray:3"


@pytest.mark.parametrize("later", ["ray:1", "ray:3"])
def test_a_change_that_somebody_takes_back_is_not_ready_and_their_s_is_left_alone(
    upgrading: Session, later: str
) -> None:
    meanwhile(upgrading, (is_half_way, lambda: upgrading.server.apply(incrementally(later))))
    assert upgrading.apply(incrementally("ray:2"), wait=True, rollback_on_failure=True) is Exit.FAILED
    told = "superseded: generation 2 did not come about: somebody changed the spec to generation 3"
    assert any(told in line for line in upgrading.lines)
    upgrading.operator.run(60.0)
    assert image(upgrading) == later


def test_what_is_taken_up_again_is_ready(upgrading: Session) -> None:
    meanwhile(
        upgrading,
        (is_half_way, lambda: upgrading.server.apply(incrementally("ray:1"))),
        (is_going_back, lambda: upgrading.server.apply(incrementally("ray:2"))),
    )
    assert upgrading.apply(incrementally("ray:2"), wait=True) is Exit.DONE
    assert image(upgrading) == "ray:2"


def test_a_route_that_cannot_be_written_in_the_middle_of_an_upgrade_ends_the_wait(upgrading: Session) -> None:
    def refuse() -> None:
        upgrading.operator.world.route_refusal = "admission webhook denied the request"

    meanwhile(upgrading, (is_half_way, refuse))
    assert upgrading.apply(incrementally("ray:2"), wait=True) is Exit.FAILED
    (cause,) = [line for line in upgrading.lines if "failed: FailedToUpdateHTTPRoute" in line]
    assert cause.endswith("admission webhook denied the request (for 60 s)")


def test_a_route_that_is_written_at_the_next_try_is_no_trouble(upgrading: Session) -> None:
    def conflict() -> None:
        upgrading.operator.world.route_refusal = "the object has been modified"
        upgrading.operator.run(4.0)
        upgrading.operator.world.route_refusal = None

    meanwhile(upgrading, (is_half_way, conflict))
    slow = incrementally("ray:2")
    slow["spec"]["upgradeStrategy"]["clusterUpgradeOptions"] = {**OPTIONS, "intervalSeconds": 120}
    assert upgrading.apply(slow, wait=True) is Exit.DONE
