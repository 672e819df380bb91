"""Every answer that is no inference: probes, metadata, metrics, the page, and what is not there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from typing import Any

from models.errors import ModelUnavailable
from serve_app.ingress.body import Headers
from serve_app.ingress.dataplane import Dataplane, Readiness
from serve_app.ingress.openapi import openapi_document
from serve_app.ingress.page import html_page
from serve_app.ingress.protocol import (
    POST_ENDPOINTS,
    SERVER_NAME,
    Endpoint,
    Route,
    model_metadata,
    overview,
    server_metadata,
)
from serve_app.ingress.reply import Reply, Scope, error_reply, json_reply, refusal


class Information:
    """Answers the GET endpoints.

    Args:
        dataplane: The platform behind them.
    """

    def __init__(self, dataplane: Dataplane) -> None:
        self._dataplane = dataplane
        self._version = _package_version()
        self._handlers: dict[Endpoint, Callable[[Route, Scope], Awaitable[Reply]]] = {
            "page": self._page,
            "openapi": self._openapi,
            "metrics": self._metrics,
            "autoscaling": self._autoscaling,
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

    async def answer(self, route: Route, scope: Scope) -> Reply:
        """Answer GET or HEAD on any endpoint that takes it."""
        return await self._handlers[route.endpoint](route, scope)

    async def _page(self, route: Route, scope: Scope) -> Reply:
        headers = dict(scope["headers"])
        accept = headers.get(b"accept", b"")
        content = overview(self._dataplane, self._version)
        if b"application/json" in accept and b"text/html" not in accept:
            return json_reply(content)
        html = html_page(content, _base_url(scope, headers))
        return Reply(200, [html.encode()], [(b"content-type", b"text/html; charset=utf-8")])

    async def _openapi(self, route: Route, scope: Scope) -> Reply:
        content = overview(self._dataplane, self._version)
        return json_reply(openapi_document(content, _base_url(scope, dict(scope["headers"]))))

    async def _metrics(self, route: Route, scope: Scope) -> Reply:
        body, content_type = await self._dataplane.metrics()
        return Reply(200, [body], [(b"content-type", content_type.encode("latin-1"))])

    async def _autoscaling(self, route: Route, scope: Scope) -> Reply:
        return json_reply({"deployments": await self._dataplane.autoscaling()})

    async def _health(self, route: Route, scope: Scope) -> Reply:
        return json_reply({"status": "ok"})

    async def _ready(self, route: Route, scope: Scope) -> Reply:
        return _readiness_reply(self._dataplane.traffic_readiness(), {"status": "ready"})

    async def _startup(self, route: Route, scope: Scope) -> Reply:
        started = Readiness(self._dataplane.started(), "models are being loaded for the first time")
        return _readiness_reply(started, {"status": "started"})

    async def _server(self, route: Route, scope: Scope) -> Reply:
        return json_reply(server_metadata(self._version))

    async def _server_live(self, route: Route, scope: Scope) -> Reply:
        return json_reply({"live": True})

    async def _server_ready(self, route: Route, scope: Scope) -> Reply:
        return _readiness_reply(self._dataplane.platform_readiness(), {"ready": True, "live": True})

    async def _models(self, route: Route, scope: Scope) -> Reply:
        return json_reply({"models": self._dataplane.model_names()})

    async def _model(self, route: Route, scope: Scope) -> Reply:
        return json_reply(model_metadata(self._dataplane.find(route.model, route.version)))

    async def _model_ready(self, route: Route, scope: Scope) -> Reply:
        name, version = route.model, route.version
        readiness = self._dataplane.readiness(name, version)
        if not readiness.ready:
            return error_reply(ModelUnavailable(name, version or "default", readiness.reason))
        return json_reply({"name": name, "ready": True})

    async def _nothing(self, route: Route, scope: Scope) -> Reply:
        return wrong_method("nothing", scope["method"])


def wrong_method(endpoint: Endpoint, method: str) -> Reply:
    """The answer to a method that the endpoint does not take, or to a path that is none."""
    if endpoint == "nothing":
        return refusal(404, "there is nothing at this path; GET / lists what there is")
    allowed = "POST" if endpoint in POST_ENDPOINTS else "GET, HEAD"
    reply = refusal(405, f"{method[:20]} is not allowed here; allowed: {allowed}")
    reply.headers.append((b"allow", allowed.encode()))
    return reply


def _readiness_reply(readiness: Readiness, document: dict[str, Any]) -> Reply:
    return json_reply(document) if readiness.ready else refusal(503, readiness.reason or "not ready")


def _base_url(scope: Scope, headers: Headers) -> str:
    """The application's URL as the caller wrote it, for examples to copy."""
    host = headers.get(b"host", b"localhost").decode("latin-1")
    forwarded = headers.get(b"x-forwarded-proto")
    scheme = "https" if forwarded == b"https" else scope.get("scheme", "http")
    return f"{scheme}://{host}{scope.get('root_path', '')}"


def _package_version() -> str:
    try:
        return installed_version(SERVER_NAME)
    except PackageNotFoundError:
        return "unknown"  # run from a checkout that is not installed
