"""Which HTTP status each error has: the one table between the exception tree and the wire.

InvalidRequest, InvalidTensor   400   the caller changes the request
PayloadTooLarge                 413
UnknownModel                    404
Overloaded                      429   with Retry-After
InferenceFailed, anything else  500
ModelUnavailable, ReplicaLost   503   ReplicaLost with Retry-After: sending it again is right
DeadlineExceeded                504
"""

from __future__ import annotations

import asyncio
import math

from models.errors import (
    DeadlineExceeded,
    HeadraceError,
    InferenceFailed,
    InvalidRequest,
    ModelUnavailable,
    Overloaded,
    PayloadTooLarge,
    ReplicaLost,
    UnknownModel,
)

STATUS_OF_ERROR: dict[type[BaseException], int] = {
    InvalidRequest: 400,
    UnknownModel: 404,
    PayloadTooLarge: 413,
    Overloaded: 429,
    asyncio.CancelledError: 499,
    InferenceFailed: 500,
    ModelUnavailable: 503,
    ReplicaLost: 503,
    DeadlineExceeded: 504,
}

# A lost replica's neighbours answer at once; one second keeps clients from hammering while it restarts.
REPLICA_LOST_RETRY_AFTER_S = 1

MAX_MESSAGE_CHARS = 2000


def status_of(error: BaseException) -> int:
    """Map an error to its HTTP status; 500 for every error that the table does not know.

    A cancelled request is 499, the customary label for "the client closed the connection"; it is never sent.
    """
    for cls in type(error).__mro__:
        status = STATUS_OF_ERROR.get(cls)
        if status is not None:
            return status
    return 500


def retry_after_s(error: BaseException) -> int | None:
    """Whole seconds for the Retry-After header, at least 1; None where the error carries no such advice."""
    if isinstance(error, Overloaded):
        wait_s = error.retry_after_s
        return max(1, math.ceil(wait_s)) if math.isfinite(wait_s) else 1
    return REPLICA_LOST_RETRY_AFTER_S if isinstance(error, ReplicaLost) else None


def message_of(error: BaseException) -> str:
    """The sentence for the caller; an error from outside the tree says nothing of the inside of the server.

    It is cut at `MAX_MESSAGE_CHARS`, because errors quote names from the request, which may be as long as the body.
    """
    if isinstance(error, HeadraceError):
        message = str(error)
        return message if len(message) <= MAX_MESSAGE_CHARS else f"{message[:MAX_MESSAGE_CHARS]}..."
    return "the server failed on this request; the reason is in its log"
