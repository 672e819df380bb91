"""PodDisruptionBudgets over Ray pods."""

from __future__ import annotations

from collections.abc import Iterator

from kuberay.lint.bundle import Bundle
from kuberay.lint.document import Document
from kuberay.lint.finding import Problem, Rule
from kuberay.lint.rules.selectors import selected, selector_of
from kuberay.lint.views import Cluster, Group


def _covered(document: Document, bundle: Bundle) -> list[tuple[Cluster, Group]]:
    return selected(selector_of(document), bundle) if document.kind == "PodDisruptionBudget" else []


def _is_of_ray(document: Document, bundle: Bundle) -> bool:
    if document.kind != "PodDisruptionBudget":
        return False
    keys = selector_of(document).at("matchLabels").entries
    return any(key.startswith("ray.io/") for key in keys) or bool(_covered(document, bundle))


def _max_unavailable(document: Document, bundle: Bundle) -> Iterator[Problem]:
    place = document.root.at("spec", "maxUnavailable")
    if place.given and _is_of_ray(document, bundle):
        yield Problem(place, "the budget has maxUnavailable")


def _percent(document: Document, bundle: Bundle) -> Iterator[Problem]:
    place = document.root.at("spec", "minAvailable")
    if place.text is not None and _is_of_ray(document, bundle):
        yield Problem(place, f"the budget has minAvailable '{place.text}'")


def _blocks(document: Document, bundle: Bundle) -> Iterator[Problem]:
    place = document.root.at("spec", "minAvailable")
    groups = [group for _, group in _covered(document, bundle)]
    if place.integer is None or not groups:
        return
    if all(group.is_head for group in groups):
        if place.integer >= 1:
            fix = "leave it off, unless a node under the head must never be drained"
            yield Problem(place, "the budget lets nobody move the head", fix)
        return
    least = sum(group.min_pods for group in groups)
    if place.integer >= max(least, 1):
        yield Problem(place, f"the budget keeps {place.integer} pods, and at rest there are {least}")


RULES = (
    Rule(
        "budget-max-unavailable",
        "error",
        "maxUnavailable needs the scale subresource, which a RayCluster lacks: the budget then allows no disruption, "
        "and every node drain waits for ever.",
        "use minAvailable with a whole number",
        _max_unavailable,
    ),
    Rule(
        "budget-percent",
        "error",
        "A share needs the scale subresource, which a RayCluster lacks: every node drain then waits for ever.",
        "write minAvailable as a whole number, without quotes",
        _percent,
    ),
    Rule(
        "budget-blocks-drains",
        "warning",
        "A budget of as many pods as there are at rest lets no node be drained or upgraded.",
        "lower minAvailable below the sum of minReplicas",
        _blocks,
    ),
)
