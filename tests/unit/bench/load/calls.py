"""Calls for a process of the load generator, in place of those by handle."""

from __future__ import annotations

import asyncio
import os

from bench.load.handle import Call


def answering(address: str, workload: str) -> Call:
    """Answers after a millisecond, and prints what must not reach the record."""
    print(f"joined {address} for {workload}")

    async def call(index: int) -> int:
        os.write(1, b"called\n")
        await asyncio.sleep(0.001)
        return 429 if index % 4 == 3 else 200

    return call


def refusing(address: str, workload: str) -> Call:
    """Refuses everything."""

    async def call(index: int) -> int:
        return 503

    return call


def marked(address: str, workload: str) -> Call:
    """Answers with the status in the environment."""

    async def call(index: int) -> int:
        return int(os.environ["STATUS"]) if index else 200

    return call
