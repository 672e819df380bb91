"""Types of a cluster file's options: names, versions, amounts."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from kubernetes.utils.quantity import parse_quantity
from pydantic import BeforeValidator, Field, StringConstraints

Label = Annotated[str, StringConstraints(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
"""DNS-1035: what names of services, and so of all that gives its name to one, must be."""

Version = Annotated[str, StringConstraints(pattern=r"^\d+\.\d+\.\d+$")]
RoleArn = Annotated[str, StringConstraints(pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$")]
"""An IAM role; a session of one (`sts::...:assumed-role`) has no access entry."""

Seconds = Annotated[float, Field(ge=0)]
Money = Annotated[float, Field(ge=0, description="US dollars an hour.")]


def _bytes(value: Any) -> Any:
    """Kubernetes' quantities ("30Gi") as a number of bytes; anything else is left to pydantic."""
    if not isinstance(value, str):
        return value
    try:
        amount: Decimal = parse_quantity(value)
        is_held = abs(amount) < 2**63
    # Decimal's own, of a number that is none or has too many digits.
    except ArithmeticError:
        is_held = False
    if not is_held:
        raise ValueError(f"'{value}' is no quantity")
    return int(amount)


Bytes = Annotated[int, BeforeValidator(_bytes), Field(ge=1, description="A number of bytes, or a quantity: 30Gi.")]
