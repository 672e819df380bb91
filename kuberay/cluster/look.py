"""Look at a live service: the requests behind an observation."""

from __future__ import annotations

from functools import partial
from typing import Any

from kuberay.cluster.client import ApiServer
from kuberay.cluster.observe import EVENTS, PODS, RAY_CLUSTERS, Observation, observe
from kuberay.cluster.reading import Reader

RAY = "ray.io/v1"


def look(server: ApiServer, name: str, namespace: str) -> Observation:
    """See a RayService with all that belongs to it; the parts are read one after the other, not at one instant.

    Raises:
        Refused: The service itself may not be read; of the rest, what may not be read is named in the observation.
    """
    find, reader = partial(server.find, namespace=namespace), Reader()
    made_for = f"ray.io/originated-from-crd=RayService,ray.io/originated-from-cr-name={name}"

    def find_events() -> list[dict[str, Any]]:
        pulling = "involvedObject.kind=Pod,reason=Pulling"
        return [*find("v1", "Event", fields="type=Warning"), *find("v1", "Event", fields=pulling)]

    return observe(
        service=server.get(RAY, "RayService", name, namespace),
        clusters=reader.read(RAY_CLUSTERS, lambda: find(RAY, "RayCluster", labels=made_for)) or (),
        pods=reader.read(PODS, lambda: find("v1", "Pod", labels="ray.io/is-ray-node=yes")) or (),
        events=reader.read(EVENTS, find_events) or (),
        unread=reader.unread,
    )
