"""Whether a request is worth accepting: a pure decision, made before it queues."""

from __future__ import annotations

from models.errors import DeadlineExceeded, InvalidRequest, Overloaded, PayloadTooLarge


def check_size(num_rows: int, max_rows: int) -> None:
    """Refuse an empty batch and one above the limit.

    Raises:
        InvalidRequest: No row.
        PayloadTooLarge: More rows than one request may have.
    """
    if num_rows == 0:
        raise InvalidRequest("the batch is empty: axis 0 of every input must be at least 1")
    if num_rows > max_rows:
        raise PayloadTooLarge("the request's batch", num_rows, max_rows, "rows")


def check_budget(model: str, budget_s: float | None, answer_s: float | None, own_s: float | None) -> None:
    """Refuse what cannot be answered in time, while the caller can still do something else.

    Args:
        budget_s: Time left for the answer, seconds; None: no deadline, nothing to check.
        answer_s: Predicted time until the answer, seconds; None: nothing known yet.
        own_s: Predicted time of the request itself, seconds; None: nothing known yet.

    Raises:
        DeadlineExceeded: It could not be met even on an idle platform.
        Overloaded: It could be met, were it not for the requests ahead.
    """
    if budget_s is None:
        return
    if not budget_s > 0:  # NaN as well: it has no place in an order
        raise DeadlineExceeded(model, "router", budget_s, None)
    if own_s is not None and own_s > budget_s:
        raise DeadlineExceeded(model, "router", budget_s, own_s)
    if answer_s is not None and answer_s > budget_s:
        reason = f"predicted {answer_s * 1e3:.0f} ms, budget {budget_s * 1e3:.0f} ms"
        raise Overloaded(model, reason, answer_s - budget_s)
