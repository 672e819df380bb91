"""Which version of a model answers: a pure choice."""

from __future__ import annotations

from models.errors import ModelUnavailable, UnknownModel
from serve_app.router.plan import ModelPlan, VersionPlan


def choose_version(plan: ModelPlan, reference: str | None) -> VersionPlan:
    """Find the version that a reference means.

    Args:
        reference: A version, a label, or None for the model's default.

    Raises:
        UnknownModel: There is no such version or label.
        ModelUnavailable: It exists, but its manifest cannot be read.
    """
    version = plan.default if reference is None else plan.labels.get(reference, reference)
    found = plan.versions.get(version)
    if found is not None:
        return found
    if version in plan.broken:
        raise ModelUnavailable(plan.name, version, plan.broken[version])
    known = sorted({*plan.versions, *plan.broken, *plan.labels})
    raise UnknownModel(plan.name, reference, tuple(known))
