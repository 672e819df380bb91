"""KubeRay's operator and what it needs around it (kubelet, scheduler, Ray Serve), stepped by the test.

The controllers are pure (`rayservice.py`, `raycluster.py`, `pods.py`); this is the shell that looks, asks them, and
writes.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from datetime import datetime

from tests.kuberay.fake_api import raycluster, rayservice
from tests.kuberay.fake_api.actions import Action, Create, Delete, Doom, Replace, Send, SetStatus, Tell
from tests.kuberay.fake_api.api import Api
from tests.kuberay.fake_api.calls import Call
from tests.kuberay.fake_api.errors import ApiError, Object
from tests.kuberay.fake_api.incremental import is_incremental
from tests.kuberay.fake_api.pods import HEAD_GROUP, SERVING, is_ready, pod_status
from tests.kuberay.fake_api.recorder import Recorder
from tests.kuberay.fake_api.serve import Sent, app_statuses
from tests.kuberay.fake_api.world import Trouble, World

RECONCILE_S = 2.0
MANAGER = "kuberay-operator"

_POD_EVENTS = {"Unschedulable": "FailedScheduling", "CrashLoopBackOff": "BackOff", "OOMKilled": "BackOff"}


class Operator:
    """The operator of one fake cluster. Nothing happens but in `step` and `run`; not stepping it is having none.

    Args:
        api: The cluster's API.
        world: Times and faults; the test may change it between steps.

    Attributes:
        world: The same.
    """

    def __init__(self, api: Api, world: World | None = None) -> None:
        self.world = world or World()
        self._api = api
        self._clock = api.clock
        self._looked_s = 0.0
        self._recorder = Recorder(api)
        self._served: dict[str, list[Sent]] = {}  # By cluster; Ray Serve's memory, which outlives the operator.
        self._troubles: dict[str, str] = {}  # By pod's uid: the group whose trouble it was born into.
        self._repointed_s: dict[str, float] = {}  # By serve service: since when it points where it points.
        self.restart()

    def restart(self) -> None:
        """Forget what the operator keeps in memory: what was sent to Serve, which clusters are to be deleted when."""
        self._sent: dict[str, str] = {}
        self._doomed: dict[str, datetime] = {}

    def run(self, seconds: float) -> None:
        """Let virtual time pass; usable as the `sleep` of the code under test.

        However short the sleeps, the operator looks every two seconds.
        """
        end_s = self._clock.elapsed_s() + seconds
        while (due_s := max(self._looked_s + RECONCILE_S, self._clock.elapsed_s())) <= end_s:
            self.step(due_s - self._clock.elapsed_s())
        self._clock.advance(end_s - self._clock.elapsed_s())

    def step(self, seconds: float = RECONCILE_S) -> None:
        """Move the clock, then let kubelet and both controllers look once."""
        self._clock.advance(seconds)
        self._looked_s = self._clock.elapsed_s()
        with self._api.store.changed:
            for pod in self._list("pods"):
                self._see_to_pod(pod)
            for cluster in self._list("rayclusters"):
                pods = self._pods_of(cluster["metadata"]["name"], cluster["metadata"]["namespace"])
                self._do(raycluster.reconciled(cluster, pods, self._clock.now(), self.world, self._api.suffix))
            for service in self._list("rayservices"):
                self._do(rayservice.reconciled(self._view(service)))
            for service in self._list("rayservices"):
                if "deletionTimestamp" in service["metadata"]:  # The end of its clusters wakes the operator at once.
                    self._do(rayservice.reconciled(self._view(service)))

    def warn(self, name: str, reason: str, message: str, namespace: str = "default") -> None:
        """Write a Warning about a RayService whose cause is not played here, such as `FailedToCreateRayCluster`."""
        regarding = next(
            service
            for service in self._list("rayservices")
            if (service["metadata"]["namespace"], service["metadata"]["name"]) == (namespace, name)
        )
        self._do([Tell(regarding, "Warning", reason, message)])

    def _view(self, service: Object) -> rayservice.View:
        uid, namespace = service["metadata"]["uid"], service["metadata"]["namespace"]
        clusters = {
            cluster["metadata"]["name"]: cluster
            for cluster in self._list("rayclusters")
            if any(owner["uid"] == uid for owner in cluster["metadata"].get("ownerReferences", []))
        }
        services = {
            item["metadata"]["name"]: item
            for item in self._list("services")
            if item["metadata"]["namespace"] == namespace
        }
        now_s = self._clock.elapsed_s()
        return rayservice.View(
            service=service,
            clusters=clusters,
            apps={name: app_statuses(self._served.get(name, []), now_s, self.world) for name in clusters},
            sent=self._sent,
            doomed=self._doomed,
            services=services,
            num_endpoints=self._num_endpoints(service, services),
            has_gateway=any(kind.group == "gateway.networking.k8s.io" for kind in self._api.kinds()),
            now=self._clock.now(),
            suffix=self._api.suffix(),
            world=self.world,
        )

    def _num_endpoints(self, service: Object, services: dict[str, Object]) -> int:
        """Ready pods behind the serve service; of an incremental upgrade's, behind those of both its clusters."""
        namespace, status = service["metadata"]["namespace"], service.get("status", {})
        if is_incremental(service):
            parts = ("activeServiceStatus", "pendingServiceStatus")
            names = [status.get(part, {}).get("rayClusterName", "") for part in parts]
        else:
            serve_name = f"{service['metadata']['name']}-serve-svc"
            if serve_name not in services:
                return 0
            names = [services[serve_name]["spec"]["selector"]["ray.io/cluster"]]
            in_gap = self._clock.elapsed_s() - self._repointed_s.get(serve_name, -RECONCILE_S) <= RECONCILE_S
            if in_gap and self.world.has_endpoint_gap:
                return 0
        without_head = service["spec"].get("excludeHeadPodFromServeSvc", False)
        return sum(
            is_ready(pod) and not (without_head and pod["metadata"]["labels"]["ray.io/group"] == HEAD_GROUP)
            for name in names
            if name
            for pod in self._pods_of(name, namespace)
        )

    def _see_to_pod(self, pod: Object) -> None:
        """Kubelet and scheduler: how far the pod is, and a word about what keeps it."""
        labels, uid = pod["metadata"]["labels"], pod["metadata"]["uid"]
        group = labels.get("ray.io/group")
        if group is None:
            return
        trouble = self.world.pod_troubles.get(group)
        if trouble and "status" not in pod:
            self._troubles[uid] = group
        if self._troubles.get(uid) != group:
            trouble = None
        status = pod_status(pod, self._clock.now(), self.world, trouble)
        if status != pod.get("status"):
            self._do([SetStatus({**pod, "status": status}), *_pod_events(pod, trouble)])
        if group == HEAD_GROUP and is_ready({"status": status}) and labels.get(SERVING) != "true":
            pod = self._api.store.get(self._call(pod).key) or pod
            metadata = {**pod["metadata"], "labels": {**labels, SERVING: "true"}}
            self._do([Replace({**pod, "metadata": metadata})])

    def _do(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case Create(item):
                    self._api.create(self._call(item, name=""), item)
                case Replace(item):
                    self._note_repointing(item)
                    self._api.replace(self._call(item), _unversioned(item))
                case SetStatus(item):
                    self._api.replace(self._call(item, subresource="status"), _unversioned(item))
                case Delete(item):
                    self._delete(item)
                case Tell():
                    self._recorder.tell(action)
                case Send(cluster, config, apps):
                    self._sent[cluster] = config
                    self._served.setdefault(cluster, []).append(Sent(apps, self._clock.elapsed_s()))
                case Doom(cluster, when):
                    self._doomed[cluster] = when

    def _delete(self, item: Object) -> None:
        try:
            self._api.delete(self._call(item), {})
        except ApiError as error:
            if error.code != 404:  # It went with its owner.
                raise

    def _note_repointing(self, item: Object) -> None:
        if item["kind"] == "Service":
            self._repointed_s[item["metadata"]["name"]] = self._clock.elapsed_s()

    def _list(self, plural: str) -> list[Object]:
        return [deepcopy(item) for _, item in self._api.store.scan(plural=plural)]

    def _pods_of(self, cluster: str, namespace: str) -> list[Object]:
        return [
            item
            for _, item in self._api.store.scan("", "pods", namespace)
            if item["metadata"].get("labels", {}).get("ray.io/cluster") == cluster
        ]

    def _call(self, item: Object, *, name: str | None = None, subresource: str = "") -> Call:
        metadata = item["metadata"]
        group, _, version = item["apiVersion"].rpartition("/")
        found = next(
            kind
            for kind in self._api.kinds()
            if (kind.group, kind.version, kind.kind) == (group, version, item["kind"])
        )
        wanted = metadata["name"] if name is None else name
        return Call(found, metadata.get("namespace", ""), wanted, subresource, manager=MANAGER)


def _unversioned(item: Object) -> Object:
    """An object to be written whatever was written since it was read: one step holds the store's lock."""
    return {**item, "metadata": {name: value for name, value in item["metadata"].items() if name != "resourceVersion"}}


def _pod_events(pod: Object, trouble: Trouble | None) -> list[Action]:
    if trouble is None:
        return []
    reason = _POD_EVENTS.get(trouble.reason, "Failed")
    by = "default-scheduler" if trouble.reason == "Unschedulable" else "kubelet"
    return [Tell(pod, "Warning", reason, trouble.message, by)]
