"""What the rendered YAML says above its keys: why a value is what it is, for whoever reads it in a review."""

from __future__ import annotations

from collections.abc import Mapping

from kuberay.render.yaml_text import Path

_CLUSTER = ("spec", "rayClusterConfig")
_HEAD = (*_CLUSTER, "headGroupSpec")
_HEAD_POD = (*_HEAD, "template", "spec")
_GROUP = (*_CLUSTER, "workerGroupSpecs", "*")
_POD = (*_GROUP, "template", "spec")
_CONTAINER = (*_POD, "containers", "*")

_RAYSERVICE: Mapping[Path, str] = {
    ("spec", "serveConfigV2"): "The Serve config file that runs on one machine, unchanged.",
    (
        "spec",
        "excludeHeadPodFromServeSvc",
    ): "Requests go to the workers' proxies: the head's memory is for Ray's control state.",
    (
        "spec",
        "upgradeStrategy",
    ): "A change of anything below but the bounds of groups and tolerations needs a new cluster; "
    "of serveConfigV2 alone it does not. `python -m kuberay plan` says which.",
    (
        "spec",
        "rayClusterDeletionDelaySeconds",
    ): "The old cluster stays so long after a switch, for requests it still has.",
    (*_CLUSTER, "rayVersion"): "Must be that of the images: the operator goes by it, not by what it finds.",
    (
        *_CLUSTER,
        "autoscalerOptions",
        "version",
    ): "Written out, because the operator adapts the pods to v2 only then. Serve "
    "asks for replicas, this for pods, the cluster's own autoscaler for nodes.",
    (*_CLUSTER, "authOptions", "secretName"): "Its key auth_token is what Ray's processes ask each other for.",
    (*_CLUSTER, "gcsFaultToleranceOptions"): "Without it a head that restarts takes all workers with it.",
    (*_HEAD, "rayStartParams", "num-cpus"): "No replica lands on the head, so none is lost with it.",
    (*_HEAD, "template", "metadata", "annotations"): "There is one head: the cluster autoscaler is not to "
    "move it to have a node less.",
    (*_HEAD_POD, "containers", "*", "ports"): "All of them: once one is named, the operator adds no others.",
    (
        *_HEAD_POD,
        "containers",
        "*",
        "resources",
    ): "Limits are the requests: a head that runs out of memory is the worst that can happen to a cluster.",
    (*_GROUP, "minReplicas"): "Of a running cluster these bounds change only if its RayCluster is patched too, which "
    "`python -m kuberay apply` does.",
    (*_GROUP, "idleTimeoutSeconds"): "Longer with a GPU: its models take long to load.",
    (*_GROUP, "priority"): "The group with the highest is tried first; the others follow when there is none to be had.",
    (*_GROUP, "scaleStrategy"): "Empty, because the operator would write it, and then own the groups.",
    (*_GROUP, "labels"): "Ray's own labels of the node.",
    (
        *_POD,
        "terminationGracePeriodSeconds",
    ): "For replicas to start elsewhere and those here to end their requests, then "
    "for Ray to stop; on a spot node within the provider's notice. A pod that has drained ends at once.",
    (
        *_POD,
        "nodeSelector",
    ): "Labels that we give the nodes: what a provider adds to a node that has joined is unknown to "
    "an autoscaler that looks at an empty group.",
    (*_POD, "tolerations"): "Of the group's own taints only: nothing without a GPU lands on a node with one.",
    (*_POD, "topologySpreadConstraints"): "Spread where it can be; a pod that cannot be placed would serve nobody.",
    (
        *_CONTAINER,
        "resources",
    ): "One pod fills a node. Ray counts the CPUs of the request, rounded up; no limit on them, "
    "which would only slow it down.",
    (*_CONTAINER, "env"): "Serve's fast form, the same as `headrace serve` starts.",
    (*_CONTAINER, "readinessProbe"): "Ready is who takes requests: a pod without a replica has no proxy and stays not "
    "ready, so nothing should wait for all pods. KubeRay's own probe needs bash and wget in the image.",
    (
        *_CONTAINER,
        "lifecycle",
    ): "Nothing in KubeRay drains, and a raylet that is stopped takes its requests along: this has "
    "Serve move the replicas first.",
}

_OTHERS: Mapping[str, Mapping[Path, str]] = {
    "PodDisruptionBudget": {
        (
            "spec",
            "minAvailable",
        ): "A number: a percentage, or maxUnavailable, needs what RayCluster lacks and blocks every drain for ever.",
        ("spec", "unhealthyPodEvictionPolicy"): "Pods without a replica are not ready; they may always go.",
        ("spec", "selector"): "By our own label: KubeRay's name one cluster, and an upgrade makes another.",
    },
    "NetworkPolicy": {
        (
            "spec",
            "ingress",
        ): "Ray's own ports run code for whoever reaches them, HAProxy's pages (8404, 9101) are open on "
        "every interface. The kubelet's probes need no rule.",
    },
    "PersistentVolumeClaim": {
        ("spec", "accessModes"): "Every pod of every node, and of both clusters in an upgrade, mounts it.",
    },
    "StatefulSet": {
        (
            "spec",
            "template",
            "spec",
            "nodeSelector",
        ): "Beside the head: on a worker's node it would take the room of the one pod that fills it.",
        ("spec", "volumeClaimTemplates"): "Ray's control state outlives the pod.",
    },
    "PodMonitor": {
        ("spec", "podMetricsEndpoints"): "Pods, not services: workers have no service of their own.",
    },
}


def remark(kind: str, path: Path) -> str | None:
    """What is said above a key.

    Args:
        kind: Of the manifest.
    """
    known = _RAYSERVICE if kind == "RayService" else _OTHERS.get(kind, {})
    return known.get(path)


def remarked(kind: str) -> frozenset[Path]:
    """The paths of a kind above which something is said."""
    return frozenset(_RAYSERVICE if kind == "RayService" else _OTHERS.get(kind, {}))
