"""Look at a live service: the requests behind an observation."""

from __future__ import annotations

from kuberay.cluster.client import ApiServer
from kuberay.cluster.observe import Observation, observe

RAY = "ray.io/v1"


def look(server: ApiServer, name: str, namespace: str) -> Observation:
    """See a RayService with all that belongs to it; the parts are read one after the other, not at one instant."""
    made_for = f"ray.io/originated-from-crd=RayService,ray.io/originated-from-cr-name={name}"
    return observe(
        service=server.get(RAY, "RayService", name, namespace),
        clusters=server.find(RAY, "RayCluster", labels=made_for, namespace=namespace),
        pods=server.find("v1", "Pod", labels="ray.io/is-ray-node=yes", namespace=namespace),
        events=[
            *server.find("v1", "Event", fields="type=Warning", namespace=namespace),
            *server.find("v1", "Event", fields="involvedObject.kind=Pod,reason=Pulling", namespace=namespace),
        ],
    )
