"""Whether a request is worth accepting."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import DeadlineExceeded, InvalidRequest, Overloaded, PayloadTooLarge
from serve_app.router.admission import check_budget, check_size

SECONDS = st.floats(0, 1e6)


def test_rows_up_to_the_limit_pass_and_one_more_does_not() -> None:
    check_size(1, 4)
    check_size(4, 4)
    with pytest.raises(PayloadTooLarge, match="the request's batch is 5 rows, the limit is 4 rows"):
        check_size(5, 4)


def test_an_empty_batch_is_refused_as_the_caller_s_mistake() -> None:
    with pytest.raises(InvalidRequest, match="the batch is empty: axis 0 of every input must be at least 1"):
        check_size(0, 4)


def test_what_is_late_even_on_an_idle_platform_is_no_reason_to_come_back() -> None:
    with pytest.raises(DeadlineExceeded, match="predicted 340 ms, budget 200 ms, given up in the router"):
        check_budget("m", 0.2, 0.34, 0.34)


def test_what_is_late_because_of_others_is_told_when_to_come_back() -> None:
    with pytest.raises(Overloaded, match="predicted 340 ms, budget 200 ms") as caught:
        check_budget("m", 0.2, 0.34, 0.04)
    assert caught.value.retry_after_s == pytest.approx(0.14)


@pytest.mark.parametrize("budget_s", [0.0, -1.0, math.nan, -math.inf])
def test_no_budget_left_is_said_so_and_no_prediction_is_blamed(budget_s: float) -> None:
    with pytest.raises(DeadlineExceeded, match="ran out in the router"):
        check_budget("m", budget_s, None, None)


@given(budget_s=st.none() | SECONDS, answer_s=st.none() | SECONDS, own_s=st.none() | SECONDS)
def test_accepted_is_exactly_what_is_predicted_to_be_in_time(
    budget_s: float | None, answer_s: float | None, own_s: float | None
) -> None:
    in_time = budget_s is None or (budget_s > 0 and max(answer_s or 0.0, own_s or 0.0) <= budget_s)
    if in_time:
        check_budget("m", budget_s, answer_s, own_s)
        return
    with pytest.raises((Overloaded, DeadlineExceeded)) as caught:
        check_budget("m", budget_s, answer_s, own_s)
    assert getattr(caught.value, "retry_after_s", 1.0) > 0
