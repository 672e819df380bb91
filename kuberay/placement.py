"""Which labels and taints a group's nodes carry, and what its pods say to get there and nowhere else: pure.

Pods select only labels that we give the nodes ourselves. Those that a provider adds once a node has joined (such as
`eks.amazonaws.com/capacityType`) are unknown to an autoscaler that looks at an empty group, so a pod that selects one
would wait for ever. What makes nodes (`kuberay.terraform`) and what places pods (`kuberay.render`) both read this.
"""

from __future__ import annotations

from dataclasses import dataclass

from kuberay.settings import SYSTEM_GROUP, Head, NodeGroup, Provider, Taint

GROUP_LABEL = "headrace.io/node-group"
MARKET_LABEL = "headrace.io/market"

SYSTEM_NODES = {GROUP_LABEL: SYSTEM_GROUP}
"""Selects the nodes without taints and replicas. Nothing of the cluster's own may stay free to choose: on a worker's
node it takes the room of the one pod that fills it, and keeps the node when it should go."""

GPU_TAINT = Taint(key="nvidia.com/gpu", value="present", effect="NoSchedule")
"""As GKE sets by itself; EKS and AKS leave it to whoever makes the nodes."""

# By the provider's own habit where it has one: AKS taints its spot nodes itself.
_SPOT_TAINTS: dict[Provider, Taint] = {
    "eks": Taint(key=MARKET_LABEL, value="spot"),
    "gke": Taint(key="cloud.google.com/gke-spot", value="true"),
    "aks": Taint(key="kubernetes.azure.com/scalesetpriority", value="spot"),
}


@dataclass(frozen=True, slots=True)
class Placement:
    """Where one group's pods go.

    Attributes:
        node_labels: What each of the group's nodes carries.
        node_taints: What keeps every other pod away from them.
        node_selector: Of the pods; a part of `node_labels`.
        tolerations: Of the pods, in Kubernetes' own form: one for each taint, none beside.
    """

    node_labels: dict[str, str]
    node_taints: tuple[Taint, ...]
    node_selector: dict[str, str]
    tolerations: tuple[dict[str, str], ...]


def place(group: NodeGroup, provider: Provider) -> Placement:
    """Say how a group's nodes are marked and how its pods find them.

    The nodes of kind carry what is written in the group alone: who makes such a cluster labels none.
    """
    selector = dict(group.labels)
    labels = dict(group.labels)
    if provider != "kind":
        selector = {GROUP_LABEL: group.name, **selector}
        labels = {GROUP_LABEL: group.name, MARKET_LABEL: group.market, **labels}
    taints = _taints(group, provider)
    return Placement(labels, taints, selector, tuple(map(_tolerate, taints)))


def place_head(head: Head, provider: Provider) -> dict[str, str]:
    """Select the nodes of the head, and of what stands beside it; the nodes of kind are not labelled."""
    own = dict(head.node_labels)
    return own if provider == "kind" else {**SYSTEM_NODES, **own}


def _taints(group: NodeGroup, provider: Provider) -> tuple[Taint, ...]:
    """The accelerator's, the market's, and those of the settings, each once."""
    brought: list[Taint] = []
    if group.machine.gpus:
        brought.append(GPU_TAINT)
    if group.market == "spot" and provider in _SPOT_TAINTS:
        brought.append(_SPOT_TAINTS[provider])
    # Two taints of one key and effect cannot be on a node; what is written by hand wins.
    by_place = {(taint.key, taint.effect): taint for taint in (*brought, *group.taints)}
    return tuple(by_place.values())


def _tolerate(taint: Taint) -> dict[str, str]:
    # Of a GPU whatever the value: device plugins and providers differ in it ("present", "true", none).
    if taint.value is None or taint.key == GPU_TAINT.key:
        return {"key": taint.key, "operator": "Exists", "effect": taint.effect}
    return {"key": taint.key, "operator": "Equal", "value": taint.value, "effect": taint.effect}
