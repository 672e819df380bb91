"""What an exception of the model means for the parts that were in the batch."""

from __future__ import annotations

import copy

from models.errors import HeadraceError, InferenceFailed, InvalidRequest
from serve_app.batching.work import Work

_MAX_REASON_CHARS = 500


def may_be_one_row(error: Exception) -> bool:
    """Say whether one row may be to blame, so that the others are worth another call."""
    return not isinstance(error, HeadraceError) or isinstance(error, (InvalidRequest, InferenceFailed))


def failure_of(work: Work, error: Exception, model: str, version: str) -> HeadraceError:
    """Make the error that the part's caller gets.

    Errors of our own tree pass through, as a copy: two callers must not share one exception and its traceback. Others
    become InferenceFailed, which names the row if the request was split.
    """
    failure: HeadraceError
    if isinstance(error, HeadraceError):
        failure = copy.copy(error)
    else:
        failure = InferenceFailed(model, version, _place(work) + one_line(error))
    failure.__cause__ = error
    return failure


def one_line(error: BaseException) -> str:
    """Type and text of an exception, in one line."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    return f"{name}: {text}"[:_MAX_REASON_CHARS] if text else name


def _place(work: Work) -> str:
    answer, num_rows = work.answer, work.rows.num_rows
    if answer.num_parts == 1:
        return ""
    first = work.part * answer.part_rows
    return f"row {first}: " if num_rows == 1 else f"rows {first} to {first + num_rows - 1}: "
