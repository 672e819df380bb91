"""A batcher on a real event loop that runs turn by turn, a clock that stands still, and a device under control."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import numpy as np

from models.tensor import Array
from serve_app.batching.batcher import Batcher
from serve_app.batching.collate import Layout
from serve_app.batching.latency import LatencyModel
from serve_app.batching.window import BatchLimits
from serve_app.messages import InferenceRequest, InferenceResponse

Inputs = dict[str, Array]
Future = asyncio.Future[InferenceResponse]


class Call:
    """One batch on the device: the test says when and how it ends."""

    def __init__(self, inputs: Inputs, future: asyncio.Future[Inputs]) -> None:
        self.inputs = inputs
        self.future = future

    @property
    def rows(self) -> list[int]:
        """The value of each row, which tells whose it is."""
        return [int(value) for value in self.inputs["x"][:, 0]]


class Stage:
    """Everything that a test of the batcher needs. Without `model`, calls wait for the test to end them."""

    def __init__(
        self,
        limits: BatchLimits,
        model: Callable[[Inputs], Inputs] | None = None,
        layout: Layout | None = None,
        **options: Any,
    ) -> None:
        self.loop = asyncio.new_event_loop()
        self.now_s = 1000.0
        self.model = model
        self.batches: list[Inputs] = []
        self.calls: list[Call] = []
        self.latency = LatencyModel()
        self.batcher = Batcher(
            self._run, limits, layout or Layout(), self.latency,
            model="m", version="1", clock=lambda: self.now_s, **options,
        )  # fmt: skip

    async def _run(self, inputs: Inputs) -> Inputs:
        self.batches.append(inputs)
        if self.model is not None:
            return self.model(inputs)
        call = Call(inputs, self.loop.create_future())
        self.calls.append(call)
        return await call.future

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.loop.run_until_complete(self.batcher.close())
        self.loop.close()

    def turn(self, num_turns: int = 1) -> None:
        """Let the event loop run everything that is ready, so many times."""
        for _ in range(num_turns):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    def submit(self, *requests: InferenceRequest) -> list[Future]:
        """Submit requests in one turn of the event loop."""
        futures: list[Future] = []
        self.loop.call_soon(lambda: futures.extend(map(self.batcher.submit, requests)))
        self.turn()
        return futures

    def settle(self) -> None:
        """Run until a batch waits for the test to end it, or nothing is left to do."""
        self.turn(200 if self.model else 5)


def ask(*values: float, priority: int = 0, budget_s: float | None = None) -> InferenceRequest:
    """Make a request of one row a value."""
    return InferenceRequest({"x": np.array(values, np.float32).reshape(-1, 1)}, len(values), priority, budget_s)


def rows_of(future: Future, output: str = "y") -> list[float]:
    """The answer's values, one a row."""
    return [float(value) for value in future.result().outputs[output][:, 0]]


def double(inputs: Inputs) -> Inputs:
    """A per-row function: the answer tells whose row it was."""
    return {"y": inputs["x"] * 2.0}
