"""The ASGI application: which handler answers, and that every error becomes a JSON answer.

    scope -> find_route -> method -> handler -> Reply -> send
                                       |  HeadraceError  -> status.py's table
                                       |  any other      -> 500, one logged traceback
                                       `  CancelledError -> passes: the caller is gone

Raw ASGI: a web framework's share of a small request is larger than all of ours.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from models.errors import HeadraceError, ModelUnavailable
from serve_app.ingress.body import ClientGone, Headers, Receive, read_body
from serve_app.ingress.codec import decode_infer, encode_infer
from serve_app.ingress.dataplane import Dataplane, ServedModel
from serve_app.ingress.departures import Departures
from serve_app.ingress.information import Information, wrong_method
from serve_app.ingress.lifespan import answer_other
from serve_app.ingress.parameters import budget_s
from serve_app.ingress.predict import decode_predict, encode_prediction, parse_predict
from serve_app.ingress.protocol import POST_ENDPOINTS, Route, find_route, relative_path
from serve_app.ingress.reply import (
    BINARY_TYPE,
    JSON_TYPE,
    Reply,
    Scope,
    Send,
    error_reply,
    send_reply,
    server_timing,
)
from serve_app.ingress.status import status_of
from serve_app.messages import InferenceRequest

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What one request may take.

    Attributes:
        max_body_bytes: Size of a request body, as received and as decompressed. 256 MiB: a batch of 400 float images.
        default_budget_s: Time budget of a request that names none, seconds. None: no deadline.
    """

    max_body_bytes: int = 256 * 1024 * 1024
    default_budget_s: float | None = None


class _Call:
    """One request on its way through a handler.

    `found` is the model and version that it is counted under; `task` is set where this process itself must notice that
    the client leaves, and is what that cancels.
    """

    __slots__ = ("body_read", "found", "headers", "receive", "route", "scope", "started", "task")

    def __init__(
        self, scope: Scope, receive: Receive, route: Route, started: float, task: asyncio.Task[Any] | None = None
    ) -> None:
        self.scope = scope
        self.receive = receive
        self.route = route
        self.started = started
        self.task = task
        self.headers: Headers = dict(scope["headers"])
        self.body_read = False
        self.found: tuple[str, str] = ("", "")


class HttpIngress:
    """The wire's ASGI application.

    Args:
        dataplane: The platform behind it.
        limits: What one request may take.
        clock: Monotonic seconds.
        now: Wall clock, for the timestamp in `/predict`'s answers.

    Attributes:
        mount: Path below which the server has put the application, as its last request said; None before the first.
    """

    def __init__(
        self,
        dataplane: Dataplane,
        limits: HttpLimits,
        clock: Callable[[], float] = time.perf_counter,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._dataplane = dataplane
        self._limits = limits
        self._clock = clock
        self._now = now
        self._information = Information(dataplane)
        self._departures = Departures()
        self.mount: str | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or a lifespan message."""
        if scope["type"] != "http":
            await answer_other(scope, receive, send, self._dataplane.drain)
            return
        started = self._clock()
        self.mount = scope.get("root_path", "")
        route = find_route(relative_path(scope["path"], self.mount))
        method = scope["method"]
        call = _Call(scope, receive, route, started)
        try:
            if method == "POST" and route.endpoint in POST_ENDPOINTS:
                reply = await self._counted(call)
            elif method in ("GET", "HEAD") and route.endpoint not in POST_ENDPOINTS:
                reply = await self._handled(call)
            else:
                reply = wrong_method(route.endpoint, method)
        except ClientGone:
            return
        await _send(send, call, reply)

    async def answer_watched(self, scope: Scope, receive: Receive, send: Send, route: Route) -> None:
        """Answer an inference request that comes straight from the HTTP server; if the client leaves, stop."""
        task = asyncio.current_task()
        assert task is not None
        call = _Call(scope, receive, route, self._clock(), task)
        try:
            reply = await self._counted(call)
        except ClientGone:
            return
        except asyncio.CancelledError:
            if self._departures.discard(task):
                return
            raise
        if not self._departures.discard(task):
            await _send(send, call, reply)

    async def _handled(self, call: _Call) -> Reply:
        try:
            endpoint = call.route.endpoint
            if endpoint == "infer":
                return await self._infer(call)
            if endpoint == "predict":
                return await self._predict(call)
            return await self._information.answer(call.route, call.scope)
        except HeadraceError as error:
            return error_reply(error)
        except ClientGone:
            raise
        except Exception as error:  # the border: whatever failed inside, the caller gets JSON
            logger.exception("unexpected error while answering %s", call.route.endpoint)
            return error_reply(error)

    async def _counted(self, call: _Call) -> Reply:
        """Handle an inference request and report it once, however it ends."""
        status = 500
        try:
            reply = await self._handled(call)
            status = reply.status
            return reply
        except (ClientGone, asyncio.CancelledError):
            status = status_of(asyncio.CancelledError())
            raise
        finally:
            self._dataplane.record(*call.found, status, self._clock() - call.started)

    async def _body(self, call: _Call) -> bytes:
        body = await read_body(call.receive, call.headers, self._limits.max_body_bytes)
        call.body_read = True
        if call.task is not None:
            self._departures.add(call.task, call.receive)
        return body

    async def _infer(self, call: _Call) -> Reply:
        model = self._find(call, call.route.model, call.route.version)
        body = await self._body(call)
        headers = call.headers
        request, plan = decode_infer(
            model,
            body,
            headers.get(b"inference-header-content-length"),
            headers.get(b"x-request-timeout-seconds"),
            self._limits.default_budget_s,
        )
        response = await self._dataplane.infer(model, request)
        chunks, json_bytes = encode_infer(model, plan, response)
        timing = server_timing(response, self._clock() - call.started)
        if json_bytes is None:
            return Reply(200, chunks, [JSON_TYPE, timing])
        length = (b"inference-header-content-length", b"%d" % json_bytes)
        return Reply(200, chunks, [BINARY_TYPE, length, timing])

    async def _predict(self, call: _Call) -> Reply:
        asked = parse_predict(await self._body(call))
        model = self._find(call, asked.model, asked.version)
        inputs, num_rows, is_one_row = decode_predict(model, asked.input_data)
        budget = budget_s({}, call.headers.get(b"x-request-timeout-seconds"), self._limits.default_budget_s)
        before = self._clock()
        response = await self._dataplane.infer(model, InferenceRequest(inputs, num_rows, 0, budget))
        inference_s = self._clock() - before
        body = encode_prediction(model, asked.model_id, is_one_row, response, inference_s, self._now())
        return Reply(200, [body], [JSON_TYPE, server_timing(response, self._clock() - call.started)])

    def _find(self, call: _Call, name: str, version: str | None) -> ServedModel:
        """Choose the model version, and note for the count which it is."""
        try:
            model = self._dataplane.find(name, version)
        except ModelUnavailable as error:
            call.found = (error.model, error.version)
            raise
        call.found = (model.name, model.version)
        return model


async def _send(send: Send, call: _Call, reply: Reply) -> None:
    if not call.body_read and b"expect" in call.headers:
        reply.headers.append((b"connection", b"close"))
    await send_reply(send, reply, call.scope["method"] == "HEAD", takes_views=call.task is not None)
