"""Tests of `kuberay.placement`, with the scheduler's own rules as the law."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuberay.placement import GPU_TAINT, GROUP_LABEL, Placement, place
from kuberay.settings import Machine, NodeGroup, Provider, Taint
from tests.unit.kuberay.groups import node_groups

PROVIDERS: tuple[Provider, ...] = ("kind", "eks", "gke", "aks")


def tolerates(toleration: Mapping[str, str], taint: Taint) -> bool:
    """Kubernetes' rule."""
    if toleration["key"] != taint.key or toleration["effect"] != taint.effect:
        return False
    return toleration["operator"] == "Exists" or toleration["value"] == (taint.value or "")


def admits(nodes: Placement, pods: Placement) -> bool:
    """Whether the scheduler may put the pods of one placement on the nodes of another."""
    selected = pods.node_selector.items() <= nodes.node_labels.items()
    return selected and all(any(tolerates(t, taint) for t in pods.tolerations) for taint in nodes.node_taints)


@given(node_groups(), st.sampled_from(PROVIDERS))
def test_pods_fit_on_their_own_nodes_and_tolerate_nothing_beside(group: NodeGroup, provider: Provider) -> None:
    placement = place(group, provider)
    assert admits(placement, placement)
    assert all(any(tolerates(t, taint) for taint in placement.node_taints) for t in placement.tolerations)
    places = [(taint.key, taint.effect) for taint in placement.node_taints]
    assert len(places) == len(set(places))


@given(node_groups(), node_groups(), st.sampled_from(["eks", "gke", "aks"]))
def test_pods_of_one_group_never_land_on_another(one: NodeGroup, other: NodeGroup, provider: Provider) -> None:
    if one.name != other.name:
        assert not admits(place(one, provider), place(other, provider))


@given(node_groups(), node_groups(), st.sampled_from(PROVIDERS))
def test_without_a_gpu_a_pod_never_takes_a_gpu_node(gpu: NodeGroup, cpu: NodeGroup, provider: Provider) -> None:
    gpu = gpu.model_copy(update={"machine": Machine(cpus=8, memory_bytes=2**35, gpus=1)})
    cpu = cpu.model_copy(update={"machine": Machine(cpus=8, memory_bytes=2**35), "taints": ()})
    assert not admits(place(gpu, provider), place(cpu, provider))


def test_eks_gpu_spot() -> None:
    group = NodeGroup(name="g", machine=Machine(cpus=8, memory_bytes=2**35, gpus=1), market="spot")
    placement = place(group, "eks")
    assert placement.node_labels == {GROUP_LABEL: "g", "headrace.io/market": "spot"}
    assert placement.node_selector == {GROUP_LABEL: "g"}
    assert placement.node_taints == (GPU_TAINT, Taint(key="headrace.io/market", value="spot"))
    assert placement.tolerations == (
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "headrace.io/market", "operator": "Equal", "value": "spot", "effect": "NoSchedule"},
    )


@pytest.mark.parametrize(
    ("provider", "key"),
    [("gke", "cloud.google.com/gke-spot"), ("aks", "kubernetes.azure.com/scalesetpriority")],
)
def test_spot_goes_by_the_providers_own_taint(provider: Provider, key: str) -> None:
    group = NodeGroup(name="s", machine=Machine(cpus=8, memory_bytes=2**35), market="spot")
    assert [taint.key for taint in place(group, provider).node_taints] == [key]


def test_kind_nodes_carry_only_what_is_written() -> None:
    group = NodeGroup(name="c", machine=Machine(cpus=2, memory_bytes=2**32), labels={"disk": "ssd"})
    placement = place(group, "kind")
    assert placement.node_labels == placement.node_selector == {"disk": "ssd"}
    assert placement.tolerations == ()
