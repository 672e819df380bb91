"""What the scaling policies say of themselves, as metrics: they run in Serve's controller, which nobody scrapes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from serve_app.scaling import Autoscaling
from serve_app.telemetry import Reading


def scaling_readings(
    scaled: Mapping[str, Autoscaling],
    promises: Mapping[str, Autoscaling],
    statuses: Mapping[str, Mapping[str, Any]],
    now_s: float,
) -> Iterator[Reading]:
    """Give the totals and levels of every deployment that Headrace's policy scales, and what was promised.

    Args:
        scaled: Their options by name.
        promises: Options by which the routers count what is late, by the name under which they do: the model's, also
            where only what is before it is scaled.
        statuses: What `autoscaling.policy.status.Status.dump` gave, by name. Others' are passed over: what a deployment
            left behind that is gone now. Of one without, only the options are known.
        now_s: The clock, seconds since the epoch.
    """
    for name, options in promises.items():
        labels = {"deployment": name}
        about = "Time in which a request is to be answered."
        yield Reading("headrace_slo_seconds", about, False, labels, options.slo_s)
        about = "Share of the rows that may take longer or be refused."
        yield Reading("headrace_slo_late_ratio", about, False, labels, options.late_ratio)
    for name, options in scaled.items():
        status = statuses.get(name, {})
        labels = {"deployment": name}
        for metric, (about, level) in _levels(options, status, now_s).items():
            if level is not None:
                yield Reading(f"headrace_autoscaling_{metric}", about, False, labels, level)
        for reason, count in status.get("decisions", {}).items():
            about, by = "Decisions, one a second, by what decided.", labels | {"reason": reason}
            yield Reading("headrace_autoscaling_decisions", about, True, by, count)
        for direction, count in status.get("changes", {}).items():
            about, by = "Decisions that changed the number of replicas.", labels | {"direction": direction}
            yield Reading("headrace_autoscaling_changes", about, True, by, count)
        if "num_errors" in status:
            about = "Calls in which the policy failed."
            yield Reading("headrace_autoscaling_policy_errors", about, True, labels, status["num_errors"])


def _levels(options: Autoscaling, status: Mapping[str, Any], now_s: float) -> dict[str, tuple[str, float | None]]:
    """Metric to what it is, and its level; None: not known yet."""
    now = status.get("now") or {}
    heard_at_s = status.get("heard_at_s")
    age_s = None if heard_at_s is None else max(0.0, now_s - heard_at_s)
    return {
        "min_replicas": ("Fewest replicas that the settings allow.", options.min_replicas),
        "max_replicas": ("Most replicas that the settings allow.", options.max_replicas),
        "wanted_replicas": ("Replicas that the policy wants.", status.get("num_wanted")),
        "ready_replicas": ("Replicas that serve, as the policy sees them.", status.get("num_ready")),
        "report_age_seconds": ("Time since replicas reported to the policy.", age_s),
        "arrival_rows_per_second": (
            "Arrivals over half a minute, all of them.",
            now.get("rate_per_s"),
        ),
        "forecast_rows_per_second": (
            "Bound of arrivals within a start's time.",
            now.get("bound_per_s"),
        ),
        "replica_rows_per_second": ("What a replica is planned to carry.", now.get("replica_per_s")),
        "startup_seconds": ("Time of a start, as the forecast looks ahead.", now.get("lead_s")),
    }
