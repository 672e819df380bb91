"""Kubernetes' quantities as numbers."""

from __future__ import annotations

import math
from typing import Any

from kubernetes.utils.quantity import parse_quantity


def parse_amount(value: Any) -> float | None:
    """`500m`, `8Gi` or 2 as a number; None: it is no quantity."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, str) and len(value) > 32:
        return None
    try:
        amount = float(parse_quantity(value))
    # Of a text that is none it raises ValueError, or what Decimal raises.
    except (ValueError, ArithmeticError):
        return None
    return amount if math.isfinite(amount) else None
