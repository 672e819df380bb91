"""The alert rules: Prometheus can read them, and every metric and label in them is one that the platform gives."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from autoscaling.policy.planner import NOTHING_DECIDED
from autoscaling.policy.status import Status
from serve_app.dispatch.load import LoadCount
from serve_app.dispatch.readings import load_readings
from serve_app.messages import InferenceResponse
from serve_app.scaling import Autoscaling
from serve_app.scaling_readings import scaling_readings
from serve_app.telemetry import Telemetry, add, snapshot_of

FILE = Path(__file__).parents[3] / "deploy" / "monitoring" / "alerts.yaml"
CASES = FILE.with_stem("alerts_test")
RULES: list[dict[str, Any]] = [rule for group in yaml.safe_load(FILE.read_text())["groups"] for rule in group["rules"]]
ALERTS = [rule for rule in RULES if "alert" in rule]
OF_TARGETS = {"job", "namespace"}
"""Labels that Prometheus gives to what it scrapes."""


def platform_labels() -> dict[str, set[str]]:
    """What a platform in which everything has happened gives: sample to its labels."""
    telemetry, status = Telemetry(), Status()
    telemetry.observe_request("m", "1", 200, 0.1)
    telemetry.observe_response("m", "1", InferenceResponse({}, 0.1, 0.1, 1, 0.1))
    telemetry.set_loaded("m", "1", True, 1.0)
    telemetry.add_source(lambda: load_readings(LoadCount("r/m-v1-cpu", 0.5), "m-v1-cpu"))
    status.num_ready, status.heard_at_s = 1, 0.0
    status.decide(1, NOTHING_DECIDED)
    scaled = {"m-v1-cpu": Autoscaling()}
    scaling = snapshot_of(scaling_readings(scaled, scaled, {"m-v1-cpu": status.dump()}, 0.0))
    return {
        name: {label for label, _ in labels}
        for family in add([telemetry.snapshot(), scaling])
        for name, labels, _ in family.samples
    }


@pytest.fixture(scope="module")
def known() -> dict[str, set[str]]:
    """Labels of every sample, and of what the rules record, in order."""
    found = {name: labels | OF_TARGETS for name, labels in platform_labels().items()}
    for rule in RULES:
        if "record" in rule:
            found[rule["record"]] = found_labels(rule["expr"], found)
    return found


def found_labels(expression: str, known: dict[str, set[str]]) -> set[str]:
    """Labels of an expression's result, which all that is compared or combined in it must share.

    Raises:
        KeyError: It names a metric that there is not.
        ValueError: It selects or groups by a label that its metric has not, or combines what never matches.
    """
    return _labels(promql_parser.parse(expression), known)


def _labels(node: Any, known: dict[str, set[str]]) -> set[str]:
    match node:
        case promql_parser.VectorSelector():
            labels = known[node.name]
            unknown = {matcher.name for matcher in node.matchers.matchers} - labels
            if unknown:
                raise ValueError(f"{node.name} has no {unknown}")
            return labels
        case promql_parser.MatrixSelector():
            return _labels(node.vector_selector, known)
        case promql_parser.ParenExpr():
            return _labels(node.expr, known)
        case promql_parser.NumberLiteral():
            return set()
        case promql_parser.Call():
            return set().union(*(_labels(argument, known) for argument in node.args))
        case promql_parser.AggregateExpr():
            by = set(node.modifier.labels)
            if not by <= _labels(node.expr, known):
                raise ValueError(f"{node} groups by what is not there")
            return by
        case promql_parser.BinaryExpr():
            left, right = _labels(node.lhs, known), _labels(node.rhs, known)
            if left and right and left != right:
                raise ValueError(f"{node} never matches: {left}, {right}")
            return left or right
    raise TypeError(type(node))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_can_be_read_and_names_what_there_is(rule: dict[str, Any], known: dict[str, set[str]]) -> None:
    assert found_labels(rule["expr"], known) >= ({"model"} if "model" in rule["expr"] else {"deployment"})


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_where_and_how_much(rule: dict[str, Any], known: dict[str, set[str]]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    promql_parser.parse_duration(rule.get("for", "1s"))
    assert rule["labels"]["severity"] in ("critical", "warning")
    summary, description = rule["annotations"]["summary"], rule["annotations"]["description"]
    (label,) = {"model", "deployment"} & found_labels(rule["expr"], known)
    assert f"{{{{ $labels.{label} }}}}" in summary
    assert "$value" in description
    assert "\n" not in summary + description


def test_every_alert_has_one_name_and_a_case_in_which_it_fires() -> None:
    names = [rule["alert"] for rule in ALERTS]
    cases = [case for test in yaml.safe_load(CASES.read_text())["tests"] for case in test["alert_rule_test"]]
    assert sorted(names) == sorted({case["alertname"] for case in cases if case["exp_alerts"]})


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool, which comes with Prometheus, is not here")
def test_prometheus_itself_fires_them_where_they_should() -> None:
    done = subprocess.run(["promtool", "test", "rules", CASES.name], cwd=CASES.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        ("headrace_nosuch > 0", KeyError),
        ('headrace_requests_total{pool="a"} > 0', ValueError),
        ("sum by (pool) (headrace_requests_total)", ValueError),
        ("headrace_requests_total and headrace_model_ready_replicas", ValueError),
        ("sum by (model) headrace_requests_total) > 0", ValueError),
        ("rate(headrace_requests_total) > 0", ValueError),
    ],
)
def test_a_wrong_rule_would_be_noticed(expression: str, error: type[Exception], known: dict[str, set[str]]) -> None:
    with pytest.raises(error):
        found_labels(expression, known)
