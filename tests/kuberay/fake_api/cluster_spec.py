"""What the operator makes of a RayService's `rayClusterConfig`: its hash, and its rules. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta

from tests.kuberay.fake_api.errors import Object

HASH = "ray.io/hash-without-replicas-and-workers-to-delete"
NUM_GROUPS = "ray.io/num-worker-groups"
TIMEOUT = "ray.io/initializing-timeout"
STRATEGIES = ("NewClusterWithIncrementalUpgrade", "NewCluster", "None")
MAX_NAME_LENGTH = 47

_LEFT_OUT_OF_GROUPS = ("replicas", "minReplicas", "maxReplicas")
_LEFT_OUT_OF_PODS = ("tolerations", "schedulingGates")
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def spec_hash(spec: Object, num_groups: int | None = None) -> str:
    """The hash of a cluster's spec, which decides whether a change needs a new cluster.

    Args:
        spec: `rayClusterConfig`.
        num_groups: Only so many worker groups, from the first.
    """
    spec = deepcopy(spec)
    for name in ("upgradeStrategy", "suspend"):
        spec.pop(name, None)
    groups = spec.get("workerGroupSpecs", [])[:num_groups]
    for group in groups:
        for name in _LEFT_OUT_OF_GROUPS:
            group.pop(name, None)
        group.get("scaleStrategy", {}).pop("workersToDelete", None)
    for holder in [spec["headGroupSpec"], *groups]:
        for name in _LEFT_OUT_OF_PODS:
            holder["template"].get("spec", {}).pop(name, None)
    spec["workerGroupSpecs"] = groups
    return hashlib.sha1(json.dumps(spec, sort_keys=True).encode(), usedforsecurity=False).hexdigest()


def is_same(service: Object, cluster: Object) -> bool:
    """Whether a cluster is what the service asks for, as far as the hash sees."""
    made: str = cluster["metadata"]["annotations"][HASH]
    return made == spec_hash(service["spec"]["rayClusterConfig"])


def is_appended(service: Object, cluster: Object) -> bool:
    """Whether worker groups at the end are all that the service has and the cluster has not."""
    wanted, notes = service["spec"]["rayClusterConfig"], cluster["metadata"]["annotations"]
    num_groups = int(notes[NUM_GROUPS])
    return len(wanted.get("workerGroupSpecs", [])) > num_groups and notes[HASH] == spec_hash(wanted, num_groups)


def makes_new_clusters(service: Object, *, by_default: bool) -> bool:
    """Whether a change of the cluster's spec is answered with a new cluster, or not at all."""
    kind = service["spec"].get("upgradeStrategy", {}).get("type")
    return by_default if kind is None else kind != "None"


def initializing_timeout(service: Object) -> timedelta | None:
    """How long the service may take to become ready the first time."""
    text = service["metadata"].get("annotations", {}).get(TIMEOUT, "")
    if not text:
        return None
    if text.isdigit():
        return timedelta(seconds=int(text))
    match = _DURATION.fullmatch(text)
    hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, 0)
    return timedelta(hours=hours, minutes=minutes, seconds=seconds) or None


def rejection(service: Object) -> tuple[str, str] | None:
    """Reason of the event and the rule that a spec breaks; None where it breaks none.

    The API server took all of these without a word; duplicate group names nobody looks at, here neither.
    """
    name = service["metadata"]["name"]
    if len(name) > MAX_NAME_LENGTH:
        return "InvalidRayServiceMetadata", f"RayService name should be no more than {MAX_NAME_LENGTH} characters"
    if not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name):
        return "InvalidRayServiceMetadata", "RayService name should be a valid DNS1035 label"
    if TIMEOUT in service["metadata"].get("annotations", {}) and initializing_timeout(service) is None:
        return "InvalidRayServiceMetadata", f"annotation {TIMEOUT} has invalid format"
    for rule in _RULES:
        if broken := rule(service["spec"]):
            return "InvalidRayServiceSpec", f"The RayService spec is invalid: {broken}"
    return None


def _strategy(spec: Object) -> str | None:
    kind = spec.get("upgradeStrategy", {}).get("type")
    if kind in (None, *STRATEGIES):
        return None
    return f"Spec.UpgradeStrategy.Type value {kind} is invalid, valid options are {', '.join(STRATEGIES)}"


def _cluster_strategy(spec: Object) -> str | None:
    if "upgradeStrategy" in spec["rayClusterConfig"]:
        return "upgradeStrategy of the RayCluster cannot be set when it is created by a RayService"
    return None


def _bounds(spec: Object) -> str | None:
    for group in spec["rayClusterConfig"].get("workerGroupSpecs", []):
        low, high = group.get("minReplicas", 0), group.get("maxReplicas", 2**31 - 1)
        if low > high:
            return f"worker group {group['groupName']}: minReplicas {low} should not be greater than maxReplicas {high}"
    return None


def _idle_timeout(spec: Object) -> str | None:
    config = spec["rayClusterConfig"]
    if config.get("autoscalerOptions", {}).get("version") == "v2":
        return None
    for group in config.get("workerGroupSpecs", []):
        if "idleTimeoutSeconds" in group:
            return f"worker group {group['groupName']}: idleTimeoutSeconds needs autoscaler v2"
    return None


def _head_service(spec: Object) -> str | None:
    head_service = spec["rayClusterConfig"]["headGroupSpec"].get("headService", {})
    if head_service.get("metadata", {}).get("name"):
        return "spec.rayClusterConfig.headGroupSpec.headService.metadata.name should not be set"
    return None


_RULES: tuple[Callable[[Object], str | None], ...] = (
    _bounds,
    _idle_timeout,
    _cluster_strategy,
    _head_service,
    _strategy,
)
