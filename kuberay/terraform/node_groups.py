"""One managed node group for each group of the settings, and one for the head and the cluster's own pods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kuberay.placement import GROUP_LABEL, place
from kuberay.settings import SYSTEM_GROUP, ClusterSettings, Head, NodeGroup, Taint
from kuberay.terraform.cluster import BEFORE_NODES
from kuberay.terraform.document import CLUSTER, Document, InfrastructureError, expression, trust
from kuberay.terraform.network import subnets, zones

# The image with CUDA is several times larger, and the kubelet wants a share of the disk to stay free.
_DISK_GB, _GPU_DISK_GB = 50, 100
_AMI, _GPU_AMI = "AL2023_x86_64_STANDARD", "AL2023_x86_64_NVIDIA"
_EFFECTS = {"NoSchedule": "NO_SCHEDULE", "PreferNoSchedule": "PREFER_NO_SCHEDULE", "NoExecute": "NO_EXECUTE"}
_MAX_NAME = 63
_CAPACITY = {"on-demand": "ON_DEMAND", "spot": "SPOT"}
_NODE_POLICIES = ("AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryPullOnly")

# Instance type to its CPUs and GiB of memory, smallest first.
_SYSTEM_TYPES = {"m7i.large": (2, 8), "m7i.xlarge": (4, 16), "m7i.2xlarge": (8, 32), "m7i.4xlarge": (16, 64)}
# Beside the head itself: Ray's autoscaler (0.5 CPU), the kubelet, DNS and the operator.
_SYSTEM_CPUS, _SYSTEM_BYTES = 1.5, 2 * 2**30

_ACCELERATOR_LABEL = "k8s.amazonaws.com/accelerator"
"""By it the cluster autoscaler knows a node whose GPUs are not announced yet; without, it would buy a second one."""


def node_groups(settings: ClusterSettings) -> Document:
    """Make the groups, with the labels and taints that the pods select and tolerate.

    EKS drains a spot node by itself when AWS takes it back, so nothing is installed for that.

    Raises:
        InfrastructureError: A group names no instance type, or its name is too long.
    """
    groups = {group.name: _node_group(settings, group) for group in settings.groups}
    groups[SYSTEM_GROUP] = _system_group(settings)
    return {
        "resource": {
            "aws_iam_role": {
                "node": {"name": f"{settings.name}-node", "assume_role_policy": trust("ec2.amazonaws.com")}
            },
            "aws_iam_role_policy_attachment": {
                name: {
                    "role": expression("aws_iam_role.node.name"),
                    "policy_arn": f"arn:aws:iam::aws:policy/{name}",
                }
                for name in _NODE_POLICIES
            },
            "aws_eks_node_group": groups,
            "aws_autoscaling_group_tag": {group.name: _autoscaler_tags(settings, group) for group in settings.groups},
        }
    }


def scaling_group(name: str) -> str:
    """Reference to the name of the auto scaling group that a node group keeps its nodes in."""
    return expression(f"aws_eks_node_group.{name}.resources[0].autoscaling_groups[0].name")


def system_instance_type(head: Head) -> str:
    """The smallest machine that carries the head and what lives beside it.

    Raises:
        InfrastructureError: None does.
    """
    for name, (cpus, gib) in _SYSTEM_TYPES.items():
        if head.cpus + _SYSTEM_CPUS <= cpus and head.memory_bytes + _SYSTEM_BYTES <= gib * 2**30:
            return name
    raise InfrastructureError(
        f"head: no machine of {', '.join(_SYSTEM_TYPES)} carries {head.cpus:g} CPUs with its memory"
    )


def _node_group(settings: ClusterSettings, group: NodeGroup) -> Document:
    if not group.machine.instance_types:
        raise InfrastructureError(f"group '{group.name}': name its machine.instance_types, such as m7i.2xlarge")
    gpu = group.machine.gpus > 0
    placement = place(group, settings.provider)
    return _group(settings, group.name, _labels(settings, group), placement.node_taints) | {
        "subnet_ids": subnets(settings, group),
        "capacity_type": _CAPACITY[group.market],
        "instance_types": list(group.machine.instance_types),
        "ami_type": _GPU_AMI if gpu else _AMI,
        "disk_size": _GPU_DISK_GB if gpu else _DISK_GB,
        "scaling_config": {
            "min_size": group.min_nodes,
            "max_size": group.max_nodes,
            "desired_size": group.min_nodes,
        },
    }


def _labels(settings: ClusterSettings, group: NodeGroup) -> dict[str, str]:
    accelerator = (group.machine.accelerator or "nvidia").lower()
    own = {_ACCELERATOR_LABEL: accelerator} if group.machine.gpus > 0 else {}
    return {**place(group, settings.provider).node_labels, **own}


def _system_group(settings: ClusterSettings) -> Document:
    # Two nodes in two zones, as the operator and DNS have two replicas; a third and fourth for the second head of an
    # upgrade.
    labels = {**settings.head.node_labels, GROUP_LABEL: SYSTEM_GROUP}
    return _group(settings, SYSTEM_GROUP, labels, ()) | {
        "subnet_ids": subnets(settings),
        "capacity_type": "ON_DEMAND",
        "instance_types": [system_instance_type(settings.head)],
        "ami_type": _AMI,
        "disk_size": _DISK_GB,
        "scaling_config": {"min_size": 2, "max_size": 4, "desired_size": 2},
    }


def _group(settings: ClusterSettings, name: str, labels: Mapping[str, str], taints: Sequence[Taint]) -> Document:
    full_name = f"{settings.name}-{name}"
    if len(full_name) > _MAX_NAME:
        raise InfrastructureError(f"group '{name}': EKS would call it {full_name}, and allows {_MAX_NAME} characters")
    return {
        "cluster_name": expression(f"{CLUSTER}.name"),
        "node_group_name": full_name,
        "node_role_arn": expression("aws_iam_role.node.arn"),
        "labels": dict(labels),
        "taint": [
            {"key": taint.key, "effect": _EFFECTS[taint.effect]}
            | ({} if taint.value is None else {"value": taint.value})
            for taint in taints
        ],
        "update_config": {"max_unavailable": 1},
        # The autoscaler moves it; Terraform would take back what the load asked for.
        "lifecycle": {"ignore_changes": ["scaling_config[0].desired_size"]},
        "depends_on": [
            *(f"aws_iam_role_policy_attachment.{policy}" for policy in _NODE_POLICIES),
            *(f"aws_eks_addon.{addon}" for addon in BEFORE_NODES),
            # A node that cannot reach its images and AWS neither joins nor gives its addresses back.
            *(f"aws_route_table_association.private-{zone}" for zone in zones(settings)),
        ],
    }


def _autoscaler_tags(settings: ClusterSettings, group: NodeGroup) -> Document:
    """What the cluster autoscaler reads of a group that has no node to look at.

    It asks EKS for the labels too, but takes EKS's spelling of a taint's effect for none, and would then grow a group
    of GPUs for a pod that may not run there.
    """
    prefix = "k8s.io/cluster-autoscaler/node-template"
    placement = place(group, settings.provider)
    tags = {f"{prefix}/label/{key}": value for key, value in _labels(settings, group).items()}
    tags |= {f"{prefix}/taint/{taint.key}": f"{taint.value or ''}:{taint.effect}" for taint in placement.node_taints}
    return {
        "for_each": tags,
        "autoscaling_group_name": scaling_group(group.name),
        "tag": {
            "key": expression("each.key"),
            "value": expression("each.value"),
            "propagate_at_launch": False,
        },
    }
