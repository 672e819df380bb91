"""What is not HTTP: the server's start and end, and WebSockets."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from serve_app.ingress.body import Receive
from serve_app.ingress.reply import Send


async def answer_other(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """Lifespan messages are confirmed; a WebSocket is refused."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})
        return
    while True:
        message = await receive()
        event = message["type"]
        if event in ("lifespan.startup", "lifespan.shutdown"):
            await send({"type": f"{event}.complete"})
        if event == "lifespan.shutdown":
            return
