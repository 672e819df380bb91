"""The model cache's storage class: an EFS file system, which pods of all zones share."""

from __future__ import annotations

from kuberay.settings import ClusterSettings, ModelCache
from kuberay.terraform.document import CLUSTER, Document, expression, pod_role
from kuberay.terraform.network import subnets, zones

IMAGE_UID = 1000
"""Of the image's user, who owns what is written; `deploy/docker/Dockerfile` says the same."""

_DRIVER = "efs.csi.aws.com"
_ACCOUNT = "efs-csi-controller-sa"


def storage(settings: ClusterSettings) -> Document:
    """Make the class that the settings name; nothing where there is no cache, or its claim exists already."""
    cache = settings.model_cache
    if cache is None or cache.claim is not None or cache.storage_class is None:
        return {}
    return {"resource": {**_file_system(settings), **_driver(settings), **_class(cache)}}


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


def _driver(settings: ClusterSettings) -> Document:
    return {
        "aws_iam_role": {"efs": pod_role(f"{settings.name}-efs-csi")},
        "aws_iam_role_policy_attachment": {
            "efs": {
                "role": expression("aws_iam_role.efs.name"),
                "policy_arn": "arn:aws:iam::aws:policy/service-role/AmazonEFSCSIDriverPolicy",
            }
        },
        "aws_eks_addon": {
            "aws-efs-csi-driver": {
                "cluster_name": expression(f"{CLUSTER}.name"),
                "addon_name": "aws-efs-csi-driver",
                "pod_identity_association": [
                    {"role_arn": expression("aws_iam_role.efs.arn"), "service_account": _ACCOUNT}
                ],
                "depends_on": ["aws_eks_node_group.system", "aws_iam_role_policy_attachment.efs"],
            }
        },
    }


def _class(cache: ModelCache) -> Document:
    return {
        "kubernetes_storage_class_v1": {
            "models": {
                "metadata": {"name": cache.storage_class},
                "storage_provisioner": _DRIVER,
                # A model that was fetched once is not lost with the service.
                "reclaim_policy": "Retain",
                "parameters": {
                    "provisioningMode": "efs-ap",
                    "fileSystemId": expression("aws_efs_file_system.models.id"),
                    "directoryPerms": "0700",
                    "uid": str(IMAGE_UID),
                    "gid": str(IMAGE_UID),
                },
                "depends_on": ["aws_eks_addon.aws-efs-csi-driver"],
            }
        }
    }
