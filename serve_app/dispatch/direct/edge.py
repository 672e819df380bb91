"""Carries calls over sockets to the replica with the fewest rows, and by Serve's handle where that cannot be."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Protocol

from serve_app.dispatch.direct.connection import Connection, Refused, connect
from serve_app.dispatch.direct.listener import Address, Message
from serve_app.dispatch.edge import Deliver, Edge, Way
from serve_app.dispatch.load import Load
from serve_app.messages import InferenceRequest

logger = logging.getLogger(__name__)

DISCOVERY_LIMIT_S = 10.0
RETRY_S = 1.0
"""After a discovery that found no way to some replica, or was for a connection that ended."""

NUM_TRIES = 3
"""A replica that dies while it is asked is no news; one that cannot be reached for so many tries is."""

GONE_LIMIT_S = 60.0
"""A call to a replica that Serve no longer counts is given up after this: twice the time that one has to shut down."""


class Replicas(Protocol):
    """What Serve knows of a deployment."""

    def ids(self) -> Collection[str]:
        """Unique ids of its live replicas; the same object until they change."""
        ...

    async def addresses(self) -> Sequence[Address]:
        """Ask each of them where it listens.

        Raises:
            Exception: One did not answer.
        """
        ...


class DirectEdge:
    """Connections to every replica of a deployment, found when calls are made.

    Args:
        replicas: What Serve knows of it.
        by_serve: Carries calls while some replica has no connection; it also starts a deployment from zero.
        target: Which of the deployment's stages is meant; given along with every call.
        loads: What the pool behind it is asked; likewise.
        open_connection: Connects to an address.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        replicas: Replicas,
        by_serve: Edge,
        target: str,
        loads: Callable[[], tuple[Load, ...]] = tuple,
        open_connection: Callable[[Address], Awaitable[Connection]] = connect,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._replicas, self._by_serve, self._target, self._loads = replicas, by_serve, target, loads
        self._connect, self._clock = open_connection, clock
        self._connections: dict[str, Connection] = {}
        self._known: Collection[str] = ()
        self._discovery: asyncio.Task[None] | None = None
        self._next_discovery_s = -math.inf
        self._num_failed = 0
        self._reaches_all = True

    async def call(self, requests: list[InferenceRequest], way: Way, deliver: Deliver) -> None:
        """See `Edge`."""
        # What is large needs no shared memory here: its data goes beside the message.
        each = way is Way.STREAM or (way is Way.LARGE and len(requests) > 1)
        while True:
            connection = self._choose()
            if connection is None:
                return await self._by_serve.call(requests, way, deliver)
            try:
                return await connection.call(Message(self._target, requests, self._loads(), each), deliver)
            except Refused:
                continue

    def num_replicas(self) -> int:
        """See `Edge`."""
        return self._by_serve.num_replicas()

    def _choose(self) -> Connection | None:
        """The open connection with the fewest rows; None: calls go by Serve, which reaches every replica."""
        ids = self._replicas.ids()
        live = [connection for replica, connection in self._connections.items() if replica in ids]
        is_due = ids is not self._known or any(one.transport.is_closing() for one in live)
        if is_due and self._discovery is None and self._clock() >= self._next_discovery_s:
            self._discovery = asyncio.get_running_loop().create_task(self._discover(ids))
        if not self._reaches_all:
            return None
        return min((one for one in live if one.is_open), key=_num_rows, default=None)

    async def _discover(self, ids: Collection[str]) -> None:
        """Connect to the replicas that have no connection, and forget those that are gone and have no call."""
        is_new = ids is not self._known
        try:
            async with asyncio.timeout(DISCOVERY_LIMIT_S):
                for address in await self._replicas.addresses():
                    known = self._connections.get(address.replica)
                    if known is None or known.transport.is_closing():
                        self._connections[address.replica] = await self._connect(address)
            self._known, self._reaches_all, self._num_failed = ids, True, 0
            self._next_discovery_s = -math.inf if is_new else self._clock() + RETRY_S
        except Exception as error:  # a replica that died while it was asked, or a network without a way
            self._num_failed += 1
            self._next_discovery_s = self._clock() + RETRY_S
            # One that was reached before and is not now has died, as a rule: the others go on until Serve knows it.
            self._reaches_all = not is_new and self._num_failed < NUM_TRIES
            if self._num_failed == NUM_TRIES:
                reason = f"{type(error).__name__}: {error}"
                logger.warning("%s cannot be reached by socket, calls go by Serve's handle: %s", self._target, reason)
        finally:
            self._discovery = None
            self._part(ids)

    def _part(self, ids: Collection[str]) -> None:
        """Leave the replicas that Serve no longer counts; their calls under way may end."""
        for replica in [replica for replica in self._connections if replica not in ids]:
            connection = self._connections.pop(replica)
            if connection.num_rows == 0:
                connection.transport.close()
            else:
                asyncio.get_running_loop().call_later(GONE_LIMIT_S, connection.transport.abort)


def _num_rows(connection: Connection) -> int:
    return connection.num_rows
