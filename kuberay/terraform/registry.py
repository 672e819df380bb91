"""The image repositories: one in ECR for each image of the settings that lies there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from kuberay.settings import ClusterSettings
from kuberay.terraform.document import Document, InfrastructureError, expression

_ECR = re.compile(r"^\d{12}\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/(?P<name>[a-z0-9._/-]+)[:@]")
_KEPT_IMAGES = 30


def registry(settings: ClusterSettings) -> Document:
    """Make the repositories; a tag never moves, so that a rollback finds what it ran before.

    Raises:
        InfrastructureError: An image lies in another region's registry than the cluster.
    """
    names = sorted(set(_repositories(settings)))
    if not names:
        return {}
    expiry = {
        "rulePriority": 1,
        "description": f"the last {_KEPT_IMAGES} images",
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": _KEPT_IMAGES},
        "action": {"type": "expire"},
    }
    return {
        "resource": {
            "aws_ecr_repository": {
                _label(name): {
                    "name": name,
                    "image_tag_mutability": "IMMUTABLE",
                    "image_scanning_configuration": {"scan_on_push": True},
                    "encryption_configuration": {"encryption_type": "AES256"},
                }
                for name in names
            },
            "aws_ecr_lifecycle_policy": {
                _label(name): {
                    "repository": expression(f"aws_ecr_repository.{_label(name)}.name"),
                    "policy": json.dumps({"rules": [expiry]}, sort_keys=True),
                }
                for name in names
            },
        },
        "output": {
            "repositories": {
                "value": {name: expression(f"aws_ecr_repository.{_label(name)}.repository_url") for name in names}
            }
        },
    }


def _repositories(settings: ClusterSettings) -> Iterator[str]:
    for image in (settings.images.cpu, settings.images.gpu):
        found = _ECR.match(image or "")
        if found is None:
            continue
        if found["region"] != settings.region:
            raise InfrastructureError(
                f"images: {image} lies in {found['region']}, the cluster in {settings.region}: nodes would pull it "
                "across regions; name this region's registry"
            )
        yield found["name"]


def _label(name: str) -> str:
    return re.sub(r"[^a-z0-9-]", "-", name)
