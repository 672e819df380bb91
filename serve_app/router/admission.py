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


def check_budget(model: str, budget_s: float | None, wait_s: float | None, own_s: float | None) -> None:
    """Refuse what cannot be answered in time, while the caller can still do something else.

    Args:
        budget_s: Time left for the answer, seconds; None: no deadline, nothing to check.
        wait_s: Predicted time until the requests ahead are answered, seconds; None: nothing known yet.
        own_s: Predicted time of the request itself, seconds; None: nothing known yet.

    Raises:
        DeadlineExceeded: It could not be met even on an idle platform.
        Overloaded: It could be met, were it not for the requests ahead.
    """
    if budget_s is None:
        return
    if not budget_s > 0:  # NaN as well: it has no place in an order
        raise DeadlineExceeded(model, "router", budget_s, None)
    needed_s = own_s or 0.0
    if needed_s > budget_s:
        raise DeadlineExceeded(model, "router", budget_s, needed_s)
    predicted_s = (wait_s or 0.0) + needed_s
    if predicted_s > budget_s:
        reason = f"predicted {predicted_s * 1e3:.0f} ms, budget {budget_s * 1e3:.0f} ms"
        raise Overloaded(model, reason, predicted_s - budget_s)
