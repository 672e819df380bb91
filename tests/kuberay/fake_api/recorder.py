"""Events as controllers and kubelet leave them: two forms of the same object, and one object for many occurrences."""

from __future__ import annotations

from tests.kuberay.fake_api.actions import Tell
from tests.kuberay.fake_api.api import Api
from tests.kuberay.fake_api.calls import Call
from tests.kuberay.fake_api.clock import stamp
from tests.kuberay.fake_api.errors import Object

REFRESH_S = 360.0
"""How often the count of an event that goes on and on is written, seconds; its second time is written at once."""


class Recorder:
    """Writes events.

    Args:
        api: Where to.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._counts: dict[tuple[str, str, str], tuple[str, int, float]] = {}  # -> name, times, last written at.

    def tell(self, event: Tell) -> None:
        """Write an event, or count one that was written before."""
        metadata = event.regarding["metadata"]
        identity = (metadata["uid"], event.reason, event.message)
        now_s = self._api.clock.elapsed_s()
        name, count, written_s = self._counts.get(identity, ("", 0, 0.0))
        if count == 0:
            name = f"{metadata['name']}.{self._api.suffix()}{self._api.suffix()}"
        count += 1
        if count <= 2 or now_s - written_s >= REFRESH_S:
            written_s = now_s
            self._write(event, name, count)
        self._counts[identity] = (name, count, written_s)

    def _write(self, event: Tell, name: str, count: int) -> None:
        kind, namespace = self._api.kind("", "v1", "events"), event.regarding["metadata"]["namespace"]
        call = Call(kind, namespace, name, manager=event.by)
        old = self._api.store.get(call.key)
        now = self._api.clock.now()
        if old is None:
            self._api.create(call, _new_event(event, name, stamp(now), now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")))
        elif event.by == "kubelet":
            self._api.replace(call, {**old, "count": count, "lastTimestamp": stamp(now)})
        else:
            series = {"count": count, "lastObservedTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
            self._api.replace(call, {**old, "series": series})


def _new_event(event: Tell, name: str, now: str, precise: str) -> Object:
    """Kubelet's have firstTimestamp, lastTimestamp and a count; those of others have eventTime, and a series later."""
    regarding, metadata = event.regarding, event.regarding["metadata"]
    involved = {"apiVersion": regarding["apiVersion"], "kind": regarding["kind"]}
    involved |= {key: metadata[key] for key in ("name", "namespace", "uid")}
    item: Object = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": metadata["namespace"]},
        "involvedObject": involved,
        "type": event.kind,
        "reason": event.reason,
        "message": event.message,
        "reportingComponent": event.by,
        "reportingInstance": event.by,
    }
    if event.by == "kubelet":
        return item | {"source": {"component": "kubelet"}, "firstTimestamp": now, "lastTimestamp": now, "count": 1}
    return item | {"eventTime": precise, "firstTimestamp": None, "lastTimestamp": None, "action": event.reason}
