"""What is not HTTP: the server's start and end, and WebSockets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from serve_app.ingress.body import Receive
from serve_app.ingress.reply import Send


async def answer_other(
    scope: MutableMapping[str, Any], receive: Receive, send: Send, drain: Callable[[], Awaitable[None]]
) -> None:
    """Lifespan messages are confirmed, the last one when all is answered; a WebSocket is refused."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})
        return
    while True:
        message = await receive()
        event = message["type"]
        if event == "lifespan.shutdown":
            await drain()
        if event in ("lifespan.startup", "lifespan.shutdown"):
            await send({"type": f"{event}.complete"})
        if event == "lifespan.shutdown":
            return
