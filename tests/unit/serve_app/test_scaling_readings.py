"""The policies' words as metrics."""

from __future__ import annotations

from autoscaling.policy.capacity import BatchCurve
from autoscaling.policy.planner import Decision
from autoscaling.policy.status import Status
from serve_app.scaling import Autoscaling
from serve_app.scaling_readings import scaling_readings
from serve_app.telemetry import render, snapshot_of

SCALED = {"m-v1-cpu": Autoscaling(max_replicas=8, slo_s=0.5)}


def shown(scaled: dict[str, Autoscaling], statuses: dict[str, Status], now_s: float) -> list[str]:
    dumped = {name: status.dump() for name, status in statuses.items()}
    text, _ = render(snapshot_of(scaling_readings(scaled, scaled, dumped, now_s)))
    return [line for line in text.decode().splitlines() if not line.startswith("#")]


def test_every_number_of_a_deployment_that_was_decided_on() -> None:
    status = Status()
    status.num_ready, status.heard_at_s, status.num_errors = 2, 1000.0, 1
    status.curve = BatchCurve(0.02, 0.001, 32)
    status.decide(2, Decision(3, "forecast", 118.0, 212.0, 65.0, 0.7, "trend", 1.0, 52.0))
    of = '{deployment="m-v1-cpu"}'
    reasons = ("rate", "forecast", "panic", "backlog", "hold", "utilisation", "silence", "idle")
    assert shown(SCALED, {"m-v1-cpu": status}, 1002.5) == [
        f"headrace_slo_seconds{of} 0.5",
        f"headrace_slo_late_ratio{of} 0.01",
        f"headrace_autoscaling_min_replicas{of} 1.0",
        f"headrace_autoscaling_max_replicas{of} 8.0",
        f"headrace_autoscaling_wanted_replicas{of} 3.0",
        f"headrace_autoscaling_ready_replicas{of} 2.0",
        f"headrace_autoscaling_report_age_seconds{of} 2.5",
        f"headrace_autoscaling_arrival_rows_per_second{of} 118.0",
        f"headrace_autoscaling_forecast_rows_per_second{of} 212.0",
        f"headrace_autoscaling_replica_rows_per_second{of} 52.0",
        f"headrace_autoscaling_startup_seconds{of} 65.0",
        *(
            f'headrace_autoscaling_decisions_total{{deployment="m-v1-cpu",reason="{reason}"}} '
            + ("1.0" if reason == "forecast" else "0.0")
            for reason in reasons
        ),
        'headrace_autoscaling_changes_total{deployment="m-v1-cpu",direction="up"} 1.0',
        'headrace_autoscaling_changes_total{deployment="m-v1-cpu",direction="down"} 0.0',
        f"headrace_autoscaling_policy_errors_total{of} 1.0",
    ]


def test_of_one_that_was_not_decided_on_the_settings_are_known() -> None:
    assert [line.partition("{")[0] for line in shown(SCALED, {}, 0.0)] == [
        "headrace_slo_seconds",
        "headrace_slo_late_ratio",
        "headrace_autoscaling_min_replicas",
        "headrace_autoscaling_max_replicas",
    ]


def test_a_policy_that_only_fails_has_its_failures_counted() -> None:
    status = Status()
    status.num_errors, status.num_wanted = 7, 2
    names = {line.partition("{")[0]: line.split()[-1] for line in shown(SCALED, {"m-v1-cpu": status}, 0.0)}
    assert names["headrace_autoscaling_policy_errors_total"] == "7.0"
    assert names["headrace_autoscaling_wanted_replicas"] == "2.0"
    assert "headrace_autoscaling_ready_replicas" not in names
    assert "headrace_autoscaling_report_age_seconds" not in names


def test_what_a_deployment_of_before_left_behind_is_not_told() -> None:
    assert shown({}, {"gone-v1-cpu": Status()}, 0.0) == []


def test_what_is_promised_has_the_name_under_which_routers_count_what_is_late() -> None:
    """Where only preprocessing is scaled that is the model's: else no alert finds both."""
    text, _ = render(snapshot_of(scaling_readings({"Preprocessor-image": Autoscaling()}, SCALED, {}, 0.0)))
    assert [line.partition(" ")[0] for line in text.decode().splitlines() if not line.startswith("#")] == [
        'headrace_slo_seconds{deployment="m-v1-cpu"}',
        'headrace_slo_late_ratio{deployment="m-v1-cpu"}',
        'headrace_autoscaling_min_replicas{deployment="Preprocessor-image"}',
        'headrace_autoscaling_max_replicas{deployment="Preprocessor-image"}',
    ]
