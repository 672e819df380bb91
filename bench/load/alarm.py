"""A timer as exact as the kernel's. The event loops' own count whole milliseconds: longer than fast answers take."""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable

_CLOCK_MONOTONIC = 1
_ABSOLUTE = 1
_NS = 1_000_000_000


class Alarm:
    """Calls back at instants of `time.monotonic()`, some ten microseconds late; Linux only.

    Args:
        callback: Called in the event loop at each instant that was set; sets the next or clears.

    Raises:
        OSError: The kernel gives no timer.
    """

    def __init__(self, callback: Callable[[], None]) -> None:
        # os.timerfd_create comes with Python 3.13.
        libc = ctypes.CDLL(None, use_errno=True)
        self._set_time = libc.timerfd_settime
        # struct itimerspec: seconds and nanoseconds of the interval, then of the instant.
        self._times = (ctypes.c_long * 4)()
        self._descriptor: int = libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._descriptor, callback)

    def set(self, at_s: float) -> None:
        """Replace the instant; one that has passed calls back at once."""
        self._times[2], self._times[3] = divmod(max(1, int(at_s * _NS)), _NS)
        self._set_time(self._descriptor, _ABSOLUTE, self._times, None)

    def clear(self) -> None:
        """Call back no more until the next `set`."""
        self._times[2] = self._times[3] = 0
        self._set_time(self._descriptor, _ABSOLUTE, self._times, None)

    def close(self) -> None:
        """Give the timer back."""
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)
