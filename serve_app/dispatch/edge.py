"""The ways a call can cross to the next stage, and the one for a stage in the same process."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Callable, Sequence
from enum import Enum, auto
from functools import partial
from typing import Protocol

from models.errors import HeadraceError, ModelUnavailable
from serve_app.messages import InferenceRequest, InferenceResponse, Numbered, Result, Stage

Deliver = Callable[[int, Result], None]
"""Takes the result of a call's request by its place in the call, once for each."""


class Way(Enum):
    """How a call goes."""

    VALUE = auto()
    """By value, all results together."""

    STREAM = auto()
    """By value, each result as soon as it is there."""

    LARGE = auto()
    """With more data than a message should have: by Serve's handle through shared memory, all results together."""


class CallLost(Exception):
    """The process at the other end died, or cannot be reached; none of the call's requests has an answer."""


class MessageTooLarge(Exception):
    """The call or its answer is over the transport's limit by value; nothing arrived."""


class Edge(Protocol):
    """Carries a call to the next stage."""

    async def call(self, requests: list[InferenceRequest], way: Way, deliver: Deliver) -> None:
        """Have the requests answered.

        Raises:
            CallLost: The stage died; what has no result may be sent again.
            MessageTooLarge: What has no result must go by reference.
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

    async def call(self, requests: list[InferenceRequest], way: Way, deliver: Deliver) -> None:
        """See `Edge`; in one process everything goes by reference."""
        if self.stage is None:
            failure = self.failure or ModelUnavailable("", "", NOT_STARTED)
            for index in range(len(requests)):
                # A copy for each: one exception raised again and again gathers every raise's traceback and tensors.
                deliver(index, copy.copy(failure))
        elif way is Way.STREAM:
            async for results in self.stage.infer_each(requests):
                for index, result in results:
                    deliver(index, result)
        else:
            for index, result in enumerate(await self.stage.infer_many(requests)):
                deliver(index, result)

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


async def answer_each(
    submit: Callable[[InferenceRequest], asyncio.Future[InferenceResponse]], requests: Sequence[InferenceRequest]
) -> AsyncIterator[list[Numbered]]:
    """Submit every request, and give what is there whenever something is; a failure is a result.

    If the caller goes away, so do its requests.
    """
    waiting: dict[int, asyncio.Future[InferenceResponse]] = {}
    done: list[int] = []
    some = asyncio.Event()

    def finished(index: int, _: asyncio.Future[InferenceResponse]) -> None:
        done.append(index)
        some.set()

    try:
        refused: list[Numbered] = []
        for index, request in enumerate(requests):
            try:
                future = waiting[index] = submit(request)
            except HeadraceError as error:
                refused.append((index, error))
            else:
                future.add_done_callback(partial(finished, index))
        if refused:
            yield refused
        while waiting:
            await some.wait()
            some.clear()
            ready = [(index, await _result(waiting.pop(index))) for index in done]
            done.clear()
            yield ready
    finally:
        for future in waiting.values():
            future.cancel()
