"""Storage classes of the claims that are rendered: an EFS file system that all pods share, and disks for the rest."""

from __future__ import annotations

import json
from typing import NamedTuple

from kuberay.placement import SYSTEM_NODES
from kuberay.settings import IMAGE_UID, ClusterSettings, ModelCache
from kuberay.terraform.document import CLUSTER, Document, expression, pod_role
from kuberay.terraform.network import subnets, zones


class _Driver(NamedTuple):
    """A driver of volumes, as EKS calls its add-on, that one's service account, and the policy of its role."""

    addon: str
    account: str
    policy: str
    provisioner: str


_EFS = _Driver("aws-efs-csi-driver", "efs-csi-controller-sa", "AmazonEFSCSIDriverPolicy", "efs.csi.aws.com")
_EBS = _Driver("aws-ebs-csi-driver", "ebs-csi-controller-sa", "AmazonEBSCSIDriverPolicy", "ebs.csi.aws.com")


def storage(settings: ClusterSettings) -> Document:
    """Make the class that the cache names, and a default one for the claims that name none: a managed Redis'.

    EKS has neither a driver nor a default class of its own. Nothing is made where no claim is rendered.
    """
    resources: list[Document] = []
    cache = settings.model_cache
    if cache is not None and cache.claim is None and cache.storage_class is not None:
        resources += [_file_system(settings), _driver(settings, "efs", _EFS), _shared_class(cache)]
    unnamed_cache = cache is not None and cache.claim is None and cache.storage_class is None
    if unnamed_cache or (settings.redis is not None and settings.redis.address == "managed"):
        resources += [_driver(settings, "ebs", _EBS), _default_class()]
    return {"resource": _joined(resources)} if resources else {}


def _joined(resources: list[Document]) -> Document:
    """Resources of the same type from several parts, under that type."""
    found: Document = {}
    for part in resources:
        for kind, named in part.items():
            found[kind] = {**found.get(kind, {}), **named}
    return found


def _file_system(settings: ClusterSettings) -> Document:
    nodes = expression(f"{CLUSTER}.vpc_config[0].cluster_security_group_id")
    return {
        "aws_efs_file_system": {
            "models": {
                "encrypted": True,
                "throughput_mode": "elastic",
                "tags": {"Name": f"{settings.name}-models"},
            }
        },
        "aws_security_group": {
            "models": {
                "name": f"{settings.name}-models",
                "description": "NFS from the nodes to the model cache",
                "vpc_id": expression("aws_vpc.this.id"),
            }
        },
        "aws_vpc_security_group_ingress_rule": {
            "models": {
                "security_group_id": expression("aws_security_group.models.id"),
                "referenced_security_group_id": nodes,
                "ip_protocol": "tcp",
                "from_port": 2049,
                "to_port": 2049,
            }
        },
        "aws_efs_mount_target": {
            zone: {
                "file_system_id": expression("aws_efs_file_system.models.id"),
                "subnet_id": subnet,
                "security_groups": [expression("aws_security_group.models.id")],
            }
            for zone, subnet in zip(zones(settings), subnets(settings), strict=True)
        },
    }


def _driver(settings: ClusterSettings, name: str, driver: _Driver) -> Document:
    return {
        "aws_iam_role": {name: pod_role(f"{settings.name}-{name}-csi")},
        "aws_iam_role_policy_attachment": {
            name: {
                "role": expression(f"aws_iam_role.{name}.name"),
                "policy_arn": f"arn:aws:iam::aws:policy/service-role/{driver.policy}",
            }
        },
        "aws_eks_addon": {
            driver.addon: {
                "cluster_name": expression(f"{CLUSTER}.name"),
                "addon_name": driver.addon,
                # The other half of a driver has to run on every node, and tolerates all taints by itself.
                "configuration_values": json.dumps({"controller": {"nodeSelector": SYSTEM_NODES}}),
                "pod_identity_association": [
                    {"role_arn": expression(f"aws_iam_role.{name}.arn"), "service_account": driver.account}
                ],
                "depends_on": ["aws_eks_node_group.system", f"aws_iam_role_policy_attachment.{name}"],
            }
        },
    }


def _default_class() -> Document:
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"}
    return {
        "kubernetes_storage_class_v1": {
            "default": {
                "metadata": {"name": "gp3", "annotations": annotations},
                "storage_provisioner": _EBS.provisioner,
                # Only when its pod has a node is it known in which zone the disk must be.
                "volume_binding_mode": "WaitForFirstConsumer",
                "allow_volume_expansion": True,
                "parameters": {"type": "gp3", "encrypted": "true"},
                "depends_on": [f"aws_eks_addon.{_EBS.addon}"],
            }
        }
    }


def _shared_class(cache: ModelCache) -> Document:
    return {
        "kubernetes_storage_class_v1": {
            "models": {
                "metadata": {"name": cache.storage_class},
                "storage_provisioner": _EFS.provisioner,
                # A model that was fetched once is not lost with the service.
                "reclaim_policy": "Retain",
                "parameters": {
                    "provisioningMode": "efs-ap",
                    "fileSystemId": expression("aws_efs_file_system.models.id"),
                    "directoryPerms": "0700",
                    "uid": str(IMAGE_UID),
                    "gid": str(IMAGE_UID),
                },
                "depends_on": [f"aws_eks_addon.{_EFS.addon}"],
            }
        }
    }
