"""The cluster autoscaler: nodes follow the pods that Ray's autoscaler asks for.

Not Karpenter: the settings bound each group by a number of nodes, from a minimum on, and `plan` packs replicas on just
these; Karpenter chooses machines itself, keeps no minimum and bounds CPUs instead.
"""

from __future__ import annotations

import json

from kuberay.placement import SYSTEM_NODES
from kuberay.settings import ClusterSettings
from kuberay.terraform import versions
from kuberay.terraform.document import CLUSTER, Document, expression, pod_role, policy

_NAMESPACE = "kube-system"
_ACCOUNT = "cluster-autoscaler"
_READS = (
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribeAutoScalingInstances",
    "autoscaling:DescribeLaunchConfigurations",
    "autoscaling:DescribeScalingActivities",
    "autoscaling:DescribeTags",
    "ec2:DescribeImages",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeLaunchTemplateVersions",
    "ec2:GetInstanceTypesFromInstanceRequirements",
    "eks:DescribeNodegroup",
)
_WRITES = ("autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup")


def autoscaler(settings: ClusterSettings) -> Document:
    """Install it with a role that can change this cluster's groups and no others."""
    own_groups = {"StringEquals": {f"aws:ResourceTag/k8s.io/cluster-autoscaler/{settings.name}": "owned"}}
    return {
        "resource": {
            "aws_iam_role": {"autoscaler": pod_role(f"{settings.name}-autoscaler")},
            "aws_iam_role_policy": {
                "autoscaler": {
                    "role": expression("aws_iam_role.autoscaler.name"),
                    "policy": policy(
                        [
                            {"Effect": "Allow", "Action": list(_READS), "Resource": "*"},
                            {"Effect": "Allow", "Action": list(_WRITES), "Resource": "*", "Condition": own_groups},
                        ]
                    ),
                }
            },
            "aws_eks_pod_identity_association": {
                "autoscaler": {
                    "cluster_name": expression(f"{CLUSTER}.name"),
                    "namespace": _NAMESPACE,
                    "service_account": _ACCOUNT,
                    "role_arn": expression("aws_iam_role.autoscaler.arn"),
                }
            },
            "helm_release": {
                "autoscaler": {
                    "name": "cluster-autoscaler",
                    "namespace": _NAMESPACE,
                    "repository": "https://kubernetes.github.io/autoscaler",
                    "chart": "cluster-autoscaler",
                    "version": versions.CLUSTER_AUTOSCALER_CHART,
                    "values": [json.dumps(_values(settings), sort_keys=True)],
                    # Without its role it would start and fail; without nodes it would never start.
                    "depends_on": ["aws_eks_pod_identity_association.autoscaler", "aws_eks_node_group.system"],
                }
            },
        }
    }


def _values(settings: ClusterSettings) -> Document:
    return {
        "awsRegion": settings.region,
        "autoDiscovery": {"clusterName": settings.name},
        "rbac": {"serviceAccount": {"create": True, "name": _ACCOUNT}},
        "nodeSelector": SYSTEM_NODES,
        # Every Ray pod keeps its logs in an emptyDir, and by default a node with one is never given back.
        "extraArgs": {"skip-nodes-with-local-storage": False},
    }
