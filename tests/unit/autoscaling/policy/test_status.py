"""What an operator is told of a policy."""

from __future__ import annotations

import json
from typing import get_args

from autoscaling.policy.capacity import BatchCurve
from autoscaling.policy.planner import NOTHING_DECIDED, Reason
from autoscaling.policy.status import Status


def test_decisions_are_counted_by_reason_and_changes_by_direction() -> None:
    status = Status()
    for before, after in ((1, 3), (3, 3), (3, 2)):
        status.decide(before, NOTHING_DECIDED._replace(num_replicas=after, reason="rate"))
    status.decide(2, NOTHING_DECIDED._replace(num_replicas=4, reason="panic"))
    found = status.dump()
    assert found["decisions"] == dict.fromkeys(get_args(Reason), 0) | {"rate": 3, "panic": 1}
    assert found["changes"] == {"up": 2, "down": 1}
    assert found["num_wanted"] == found["now"]["num_replicas"] == 4


def test_it_is_plain_data_from_the_beginning() -> None:
    status = Status()
    assert json.loads(json.dumps(status.dump()))["now"] is None
    status.curve = BatchCurve(0.2, 0.05, 8)
    status.decide(1, NOTHING_DECIDED)
    assert json.loads(json.dumps(status.dump()))["curve"] == [0.2, 0.05, 8]


def test_what_was_given_away_changes_no_more() -> None:
    status = Status()
    before = status.dump()
    status.decide(1, NOTHING_DECIDED)
    assert before["decisions"]["silence"] == before["changes"]["down"] == 0
