"""Decisions in words."""

from __future__ import annotations

import json

from autoscaling.policy.explain import MAX_DECISIONS, DecisionLog, in_words
from autoscaling.policy.planner import Decision

DECISION = Decision(9, "forecast", 140.0, 212.0, 65.0, 0.71, "season", 1.0, 13.3, 150.0, 0.0, 20.0)


def test_a_decision_says_what_decided_it() -> None:
    assert in_words(6, DECISION) == "6 -> 9: forecast 212 rows/s in 65 s, confidence 0.71, season"
    assert (
        in_words(9, DECISION._replace(num_replicas=6, reason="rate")) == "9 -> 6: 140 rows/s over the last half minute"
    )
    assert "sudden rise to 150 rows/s" in in_words(6, DECISION._replace(reason="panic"))
    assert "0 rows wait" in in_words(6, DECISION._replace(reason="backlog"))
    assert "within the last 20 s" in in_words(6, DECISION._replace(reason="hold"))


def test_margins_and_limits_are_told_where_there_are_any() -> None:
    words = in_words(6, DECISION._replace(strain=2.0, limited="at most 9"))
    assert words.endswith("; late answers raise the margins 2 times; at most 9")


def test_the_log_is_bounded_and_plain() -> None:
    log, again = DecisionLog(), DecisionLog()
    for number in range(MAX_DECISIONS + 5):
        log.add(float(number), number, DECISION)
    again.load(json.loads(json.dumps(log.dump())))
    assert again.dump() == log.dump()
    assert len(log.dump()) == MAX_DECISIONS
    assert log.dump()[-1]["at_s"] == MAX_DECISIONS + 4
