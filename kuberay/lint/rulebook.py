"""Every rule, in the order in which they are listed."""

from __future__ import annotations

from kuberay.lint.finding import Rule
from kuberay.lint.rules import (
    access,
    autoscaling,
    budgets,
    cluster_settings,
    draining,
    fault_tolerance,
    fields,
    fit,
    groups,
    jobs,
    markets,
    monitoring,
    names,
    pods,
    ports,
    probes,
    resources,
    selectors,
    serve,
    syntax,
    upgrades,
    versions,
)

RULES: tuple[Rule, ...] = (
    *syntax.RULES,
    *fields.RULES,
    *names.RULES,
    *versions.RULES,
    *groups.RULES,
    *autoscaling.RULES,
    *resources.RULES,
    *pods.RULES,
    *ports.RULES,
    *probes.RULES,
    *upgrades.RULES,
    *draining.RULES,
    *fault_tolerance.RULES,
    *access.RULES,
    *markets.RULES,
    *serve.RULES,
    *fit.RULES,
    *selectors.RULES,
    *budgets.RULES,
    *monitoring.RULES,
    *jobs.RULES,
    *cluster_settings.RULES,
)
