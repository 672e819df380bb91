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
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from typing import Any

from models.errors import HeadraceError, ModelUnavailable
from serve_app.ingress.body import ClientGone, Headers, Receive, read_body
from serve_app.ingress.codec import decode_infer, encode_infer
from serve_app.ingress.dataplane import Dataplane, Readiness, ServedModel
from serve_app.ingress.lifespan import answer_other
from serve_app.ingress.openapi import openapi_document
from serve_app.ingress.page import html_page
from serve_app.ingress.parameters import budget_s
from serve_app.ingress.predict import decode_predict, encode_prediction, parse_predict
from serve_app.ingress.protocol import (
    POST_ENDPOINTS,
    SERVER_NAME,
    Endpoint,
    Route,
    find_route,
    model_metadata,
    overview,
    relative_path,
    server_metadata,
)
from serve_app.ingress.reply import (
    BINARY_TYPE,
    JSON_TYPE,
    Reply,
    Send,
    error_reply,
    json_reply,
    refusal,
    send_reply,
    server_timing,
)
from serve_app.ingress.status import status_of
from serve_app.messages import InferenceRequest

Scope = MutableMapping[str, Any]

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
    """One request on its way through a handler; `found` is the model and version that it is counted under."""

    __slots__ = ("body_read", "found", "headers", "receive", "route", "scope", "started")

    def __init__(self, scope: Scope, receive: Receive, route: Route, started: float) -> None:
        self.scope = scope
        self.receive = receive
        self.route = route
        self.started = started
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
        self._version = _package_version()
        self._handlers: dict[Endpoint, Callable[[_Call], Awaitable[Reply]]] = {
            "infer": self._infer,
            "predict": self._predict,
            "page": self._page,
            "openapi": self._openapi,
            "metrics": self._metrics,
            "health": self._health,
            "ready": self._ready,
            "startup": self._startup,
            "server": self._server,
            "server_live": self._server_live,
            "server_ready": self._server_ready,
            "models": self._models,
            "model": self._model,
            "model_ready": self._model_ready,
            "nothing": self._nothing,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or a lifespan message."""
        if scope["type"] != "http":
            await answer_other(scope, receive, send, self._dataplane.drain)
            return
        started = self._clock()
        route = find_route(relative_path(scope["path"], scope.get("root_path", "")))
        method = scope["method"]
        call = _Call(scope, receive, route, started)
        try:
            if method == "POST" and route.endpoint in POST_ENDPOINTS:
                reply = await self._counted(call)
            elif method in ("GET", "HEAD") and route.endpoint not in POST_ENDPOINTS:
                reply = await self._handled(call)
            else:
                reply = _refuse(route.endpoint, method)
        except ClientGone:
            return
        if not call.body_read and b"expect" in call.headers:
            reply.headers.append((b"connection", b"close"))
        await send_reply(send, reply, method == "HEAD")

    async def _handled(self, call: _Call) -> Reply:
        try:
            return await self._handlers[call.route.endpoint](call)
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

    async def _page(self, call: _Call) -> Reply:
        accept = call.headers.get(b"accept", b"")
        content = overview(self._dataplane, self._version)
        if b"application/json" in accept and b"text/html" not in accept:
            return json_reply(content)
        html = html_page(content, _base_url(call))
        return Reply(200, [html.encode()], [(b"content-type", b"text/html; charset=utf-8")])

    async def _openapi(self, call: _Call) -> Reply:
        return json_reply(openapi_document(overview(self._dataplane, self._version), _base_url(call)))

    async def _metrics(self, call: _Call) -> Reply:
        body, content_type = await self._dataplane.metrics()
        return Reply(200, [body], [(b"content-type", content_type.encode("latin-1"))])

    async def _health(self, call: _Call) -> Reply:
        return json_reply({"status": "ok"})

    async def _ready(self, call: _Call) -> Reply:
        return _readiness_reply(self._dataplane.traffic_readiness(), {"status": "ready"})

    async def _startup(self, call: _Call) -> Reply:
        started = Readiness(self._dataplane.started(), "models are being loaded for the first time")
        return _readiness_reply(started, {"status": "started"})

    async def _server(self, call: _Call) -> Reply:
        return json_reply(server_metadata(self._version))

    async def _server_live(self, call: _Call) -> Reply:
        return json_reply({"live": True})

    async def _server_ready(self, call: _Call) -> Reply:
        return _readiness_reply(self._dataplane.platform_readiness(), {"ready": True, "live": True})

    async def _models(self, call: _Call) -> Reply:
        return json_reply({"models": self._dataplane.model_names()})

    async def _model(self, call: _Call) -> Reply:
        return json_reply(model_metadata(self._dataplane.find(call.route.model, call.route.version)))

    async def _nothing(self, call: _Call) -> Reply:
        return _refuse("nothing", call.scope["method"])

    async def _model_ready(self, call: _Call) -> Reply:
        name, version = call.route.model, call.route.version
        readiness = self._dataplane.readiness(name, version)
        if not readiness.ready:
            return error_reply(ModelUnavailable(name, version or "default", readiness.reason))
        return json_reply({"name": name, "ready": True})


def _readiness_reply(readiness: Readiness, document: dict[str, Any]) -> Reply:
    return json_reply(document) if readiness.ready else refusal(503, readiness.reason or "not ready")


def _refuse(endpoint: Endpoint, method: str) -> Reply:
    if endpoint == "nothing":
        return refusal(404, "there is nothing at this path; GET / lists what there is")
    allowed = "POST" if endpoint in POST_ENDPOINTS else "GET, HEAD"
    reply = refusal(405, f"{method[:20]} is not allowed here; allowed: {allowed}")
    reply.headers.append((b"allow", allowed.encode()))
    return reply


def _base_url(call: _Call) -> str:
    """The application's URL as the caller wrote it, for examples to copy."""
    host = call.headers.get(b"host", b"localhost").decode("latin-1")
    forwarded = call.headers.get(b"x-forwarded-proto")
    scheme = "https" if forwarded == b"https" else call.scope.get("scheme", "http")
    return f"{scheme}://{host}{call.scope.get('root_path', '')}"


def _package_version() -> str:
    try:
        return installed_version(SERVER_NAME)
    except PackageNotFoundError:
        return "unknown"  # run from a checkout that is not installed
