"""Takes inference requests past Serve's wrapping of each request, in the process of the router replica.

In the fast form Serve runs an HTTP server in every ingress replica and puts each request through ids, contexts, spans,
metrics and a watch over the connection of its own, which costs more than all of ours. Serve has a hook for middleware
around that (`RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH`); this is one. It answers what is hot, and passes on
everything else: health checks, pages, probes, and every request until one that came Serve's way has told where Serve
mounted the application.
"""

from __future__ import annotations

import threading
from typing import Any

from starlette.middleware import Middleware

from serve_app.ingress.body import Receive
from serve_app.ingress.http import HttpIngress
from serve_app.ingress.protocol import POST_ENDPOINTS, find_route
from serve_app.ingress.reply import Scope, Send


class _Here:
    """The one ingress of this process, and the thread whose loop it runs in; Serve's callback takes no arguments."""

    ingress: HttpIngress | None = None
    thread: int | None = None


def open_to(ingress: HttpIngress) -> None:
    """Let the shortcut lead to this ingress, in this thread's event loop."""
    _Here.ingress, _Here.thread = ingress, threading.get_ident()


def middlewares() -> list[Middleware]:
    """What Serve's callback is to return; Serve calls it in its proxies too, where there is no ingress."""
    return [Middleware(Shortcut)]


class Shortcut:
    """ASGI middleware outside of all of Serve's.

    Args:
        app: Serve's own way to the same ingress.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Choose the way."""
        ingress = _Here.ingress
        if ingress is not None and scope["type"] == "http" and scope["method"] == "POST":
            mount, path = ingress.mount, scope["path"]
            if mount is not None and path.startswith(mount) and threading.get_ident() == _Here.thread:
                route = find_route(path[len(mount) :])
                if route.endpoint in POST_ENDPOINTS:
                    await ingress.answer_watched(scope, receive, send, route)
                    return
        await self._app(scope, receive, send)
