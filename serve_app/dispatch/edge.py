"""The ways a call can cross to the next stage, and the one for a stage in the same process."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Sequence
from typing import Protocol

from models.errors import HeadraceError, ModelUnavailable
from serve_app.messages import InferenceRequest, InferenceResponse, Result, Stage


class CallLost(Exception):
    """The process at the other end died, or cannot be reached; none of the call's requests has an answer."""


class MessageTooLarge(Exception):
    """The call or its answer is over the transport's limit by value; nothing arrived."""


class Edge(Protocol):
    """Carries a call to the next stage."""

    async def call(self, requests: list[InferenceRequest], by_reference: bool) -> list[Result]:
        """Answer the requests, one result each, in order.

        Raises:
            CallLost: The stage died; the call may be sent again.
            MessageTooLarge: The call must go by reference.
        """
        ...

    def num_replicas(self) -> int:
        """Live replicas at the other end."""
        ...


NOT_STARTED = "it has not been started"


class LocalEdge:
    """A stage in this process; `stage` is set once it has loaded, `failure` says why there is none."""

    def __init__(self, stage: Stage | None, failure: ModelUnavailable | None = None) -> None:
        self.stage = stage
        self.failure = failure

    async def call(self, requests: list[InferenceRequest], by_reference: bool) -> list[Result]:
        """See `Edge`; in one process everything goes by reference."""
        if self.stage is None:
            failure = self.failure or ModelUnavailable("", "", NOT_STARTED)
            # A copy for each: one exception raised again and again gathers every raise's traceback, and its tensors.
            return [copy.copy(failure) for _ in requests]
        return await self.stage.infer_many(requests)

    def num_replicas(self) -> int:
        """See `Edge`."""
        return 1


async def answer_all(
    submit: Callable[[InferenceRequest], asyncio.Future[InferenceResponse]], requests: Sequence[InferenceRequest]
) -> list[Result]:
    """Submit every request and collect one result for each; a failure is a result.

    If the caller goes away, so do its requests.
    """
    waiting: list[asyncio.Future[InferenceResponse] | HeadraceError] = []
    try:
        for request in requests:
            try:
                waiting.append(submit(request))
            except HeadraceError as error:
                waiting.append(error)
        return [await _result(entry) for entry in waiting]
    except BaseException:
        for entry in waiting:
            if isinstance(entry, asyncio.Future):
                entry.cancel()
        raise


async def _result(entry: asyncio.Future[InferenceResponse] | HeadraceError) -> Result:
    if isinstance(entry, HeadraceError):
        return entry
    try:
        return await entry
    except HeadraceError as error:
        return error
