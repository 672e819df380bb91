"""Plans of plain dicts, as the command makes them."""

from __future__ import annotations

from typing import Any

from kuberay.plan.object_changes import key_of
from kuberay.plan.report import Plan, make_plan

PRICES = {"cpu": 0.4, "gpu": 1.5, "spot": 0.5}


def planned(old: dict[str, Any] | None, new: dict[str, Any], live_name: str = "headrace-x7k2p") -> Plan:
    names = {key_of(new): live_name}
    return make_plan("RayService serving/headrace", None if old is None else [old], [new], PRICES, names)
