"""One call under way: which of its requests have no result yet."""

from __future__ import annotations

import asyncio

from serve_app.dispatch.pending import CallerWatch, Pending


class Call:
    """The requests that travel together.

    Args:
        batch: In the order in which they are sent.
        task: Makes the call; cancelled when every caller is gone.

    Attributes:
        missing: Place in the message to the request there that has no result.
        rows: Rows of those.
    """

    def __init__(self, batch: list[Pending], task: asyncio.Task[None] | None) -> None:
        self.missing = dict(enumerate(batch))
        self.rows = sum(pending.request.num_rows for pending in batch)
        self._watch = CallerWatch(batch, task)

    def answered(self, place: int) -> Pending:
        """Give the request whose result has come, once."""
        pending = self.missing.pop(place)
        self.rows -= pending.request.num_rows
        self._watch.answered(pending.future)
        return pending

    def renumber(self) -> list[Pending]:
        """What has no result, in new places from 0, for another message."""
        left = list(self.missing.values())
        self.missing = dict(enumerate(left))
        return left

    def close(self) -> None:
        """Leave the callers alone: the call has ended."""
        self._watch.close()
