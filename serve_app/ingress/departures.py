"""Notices clients that leave while their answer is computed, and cancels what nobody waits for."""

from __future__ import annotations

import asyncio
from typing import Any

from serve_app.ingress.body import Receive

LOOK_EVERY_S = 0.1
"""Requests that are answered within this are never looked at: a watch of its own would cost each of them more than it
could save."""


class Departures:
    """The requests of one ingress whose body has been read and whose answer is not there yet."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Task[Any], Receive] = {}
        self._watched: dict[asyncio.Task[Any], asyncio.Task[None]] = {}
        self._gone: set[asyncio.Task[Any]] = set()
        self._is_due = False

    def add(self, task: asyncio.Task[Any], receive: Receive) -> None:
        """Watch a request; its `receive` must have given the whole body.

        Args:
            task: Answers the request, and is cancelled if the client leaves.
        """
        self._waiting[task] = receive
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look, list(self._waiting))

    def discard(self, task: asyncio.Task[Any]) -> bool:
        """Watch no longer; says whether the client left."""
        self._waiting.pop(task, None)
        watch = self._watched.pop(task, None)
        if watch is not None:
            watch.cancel()
        if task in self._gone:
            self._gone.remove(task)
            return True
        return False

    def _look(self, then: list[asyncio.Task[Any]]) -> None:
        """Begin to listen for those that were waiting a look ago."""
        loop = asyncio.get_running_loop()
        for task in then:
            if task in self._waiting:
                self._watched[task] = loop.create_task(self._listen(task, self._waiting.pop(task)))
        self._is_due = bool(self._waiting)
        if self._is_due:
            loop.call_later(LOOK_EVERY_S, self._look, list(self._waiting))

    async def _listen(self, task: asyncio.Task[Any], receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        # The server says the same of a connection whose answer has been sent.
        if task in self._watched:
            self._gone.add(task)
            task.cancel()
