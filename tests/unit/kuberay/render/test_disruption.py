"""Tests of `kuberay.render.disruption`."""

from __future__ import annotations

from hypothesis import given

from kuberay.render.disruption import disruption_budgets
from kuberay.settings import ClusterSettings
from tests.unit.kuberay.render.building import clusters


@given(clusters())
def test_a_budget_is_a_number_and_lets_a_node_go(settings: ClusterSettings) -> None:
    groups = {f"{settings.name}-{group.name}": group for group in settings.groups}
    budgets = disruption_budgets(settings)
    assert {one["metadata"]["name"] for one in budgets} == {name for name, one in groups.items() if one.min_nodes >= 2}
    for budget in budgets:
        group = groups[budget["metadata"]["name"]]
        assert "maxUnavailable" not in budget["spec"]
        assert budget["spec"]["minAvailable"] == group.min_nodes - 1
        assert budget["spec"]["selector"]["matchLabels"] == {
            "app.kubernetes.io/instance": settings.name,
            "app.kubernetes.io/component": "worker",
            "ray.io/group": group.name,
        }
