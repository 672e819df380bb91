"""A Terraform document in its JSON form, and the few expressions that several of them share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Document = dict[str, Any]
"""What one `.tf.json` file holds."""

CLUSTER = "aws_eks_cluster.this"
NOTICE = "Rendered by `python -m kuberay terraform` from cluster.yaml: edit that and render again."


class InfrastructureError(Exception):
    """No infrastructure can be made of these settings; the sentence says what to change."""


def to_text(document: Document) -> str:
    """The file's content: the same for the same document, whatever the order it was made in."""
    return json.dumps({"//": NOTICE, **document}, indent=2, sort_keys=True) + "\n"


def expression(code: str) -> str:
    """Terraform's own code in a JSON string."""
    return "${" + code + "}"


def policy(statements: list[Mapping[str, Any]]) -> str:
    """An IAM policy as the text that AWS takes."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, sort_keys=True)


def trust(service: str, *more_actions: str) -> str:
    """The policy that lets an AWS service take a role."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": ["sts:AssumeRole", *more_actions],
    }
    return policy([statement])


def pod_role(name: str) -> Document:
    """A role that pods take by EKS Pod Identity: no key in the cluster, no identity provider to look after."""
    return {"name": name, "assume_role_policy": trust("pods.eks.amazonaws.com", "sts:TagSession")}
