"""This process's CPU time over the counted part of a load."""

from __future__ import annotations

import asyncio
import time


class ProcessorTime:
    """Reads the clock at both ends of the counted part.

    Args:
        start_s: Of the counted part, by `time.monotonic()`.
        duration_s: Its length, seconds.
    """

    def __init__(self, start_s: float, duration_s: float) -> None:
        loop = asyncio.get_running_loop()
        now_s = time.monotonic()
        self._readings_s: list[float] = []
        self._read: asyncio.Future[None] = loop.create_future()
        loop.call_later(start_s - now_s, self._take)
        loop.call_later(start_s + duration_s - now_s, self._take)

    async def used_s(self) -> float:
        """CPU time of the process in the counted part, seconds; waits for its end."""
        await self._read
        return self._readings_s[1] - self._readings_s[0]

    def _take(self) -> None:
        self._readings_s.append(time.process_time())
        if len(self._readings_s) == 2:
            self._read.set_result(None)
