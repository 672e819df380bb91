"""A model version and its batcher as a plain object: load, submit, drain. No Ray."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from models.errors import HeadraceError, ModelUnavailable
from models.model import Compute
from models.source import ModelSource, Transform
from models.tensor import Array
from serve_app.batching.batcher import Batcher, Observer
from serve_app.batching.latency import LatencyModel
from serve_app.batching.window import BatchLimits
from serve_app.dispatch.edge import answer_all, answer_each
from serve_app.messages import FrontStage, InferenceRequest, InferenceResponse, Numbered, Result
from serve_app.replica.lifecycle import LoadedModel, load

State = Literal["LOADING", "READY", "UNAVAILABLE", "DRAINING"]

InFront = Callable[[Transform, Callable[[InferenceRequest], "asyncio.Future[InferenceResponse]"]], FrontStage]

INLINE_S = 0.0002
"""A batch that is shorter than this runs on the event loop: handing it to a thread and back costs as much."""


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """What a host says of itself."""

    state: State
    reason: str = ""
    load_s: float | None = None


class ModelHost:
    """One model version in this process.

    Args:
        source: Where it comes from.
        compute: How it runs.
        observer: Called once for each batch.
        in_front: Puts the model's preprocessing before it; None: requests arrive as model inputs.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        source: ModelSource,
        compute: Compute,
        observer: Observer | None = None,
        in_front: InFront | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.manifest = source.manifest
        self.latency = LatencyModel()
        self._source, self._compute, self._observer, self._in_front = source, compute, observer, in_front
        self._clock = clock
        self._status = ModelStatus("LOADING", "it is being loaded")
        self._loaded: LoadedModel | None = None
        self._batcher: Batcher | None = None
        self._stage: FrontStage | None = None
        # One thread: a model is called by one thread at a time, and a second would only share its cores.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=f"model-{self.manifest.name}")

    async def start(self) -> None:
        """Load and warm up; a failure becomes the status, so that the process stays and says why."""
        loop = asyncio.get_running_loop()
        try:
            loaded = await loop.run_in_executor(self._executor, load, self._source, self._compute)
        except Exception as error:  # whatever a backend raises, the others serve and this one says why
            reason = str(error) if isinstance(error, HeadraceError) else f"{type(error).__name__}: {error}"
            self._status = ModelStatus("UNAVAILABLE", reason)
            return
        if self._status.state == "DRAINING":
            return
        self._loaded = loaded
        for num_elements, seconds in self._loaded.timings:
            self.latency.observe(num_elements, seconds)
        batching = self.manifest.batching
        self._batcher = Batcher(
            self._run,
            BatchLimits(batching.max_rows, batching.max_elements, batching.length_buckets, batching.packed),
            self._loaded.layout,
            self.latency,
            model=self.manifest.name,
            version=self.manifest.version,
            clock=self._clock,
            observer=self._observer,
        )
        if self._in_front is not None and self._loaded.transform is not None:
            self._stage = self._in_front(self._loaded.transform, self.submit)
        self._status = ModelStatus("READY", load_s=self._loaded.load_s)

    @property
    def status(self) -> ModelStatus:
        """Whether it can answer, and if not, why."""
        if self._batcher is not None and not self._batcher.healthy:
            return ModelStatus("UNAVAILABLE", "its batcher stopped")
        return self._status

    @property
    def batcher(self) -> Batcher | None:
        """None until the model is loaded."""
        return self._batcher

    @property
    def front(self) -> FrontStage | None:
        """The preprocessing before the model in this process; None: there is none, or it is not loaded."""
        return self._stage

    def submit(self, request: InferenceRequest) -> asyncio.Future[InferenceResponse]:
        """Queue a request in the model's own inputs; cancelling the future drops it.

        Raises:
            ModelUnavailable: Not loaded, failed to load, or draining.
        """
        if self._batcher is None or self._status.state != "READY":
            raise ModelUnavailable(self.manifest.name, self.manifest.version, self._status.reason)
        return self._batcher.submit(request)

    async def infer_many(self, requests: Sequence[InferenceRequest]) -> list[Result]:
        """See `messages.Stage`; the preprocessing in front is run first, where there is one."""
        if self._stage is not None:
            return await self._stage.infer_many(requests)
        return await answer_all(self.submit, requests)

    def infer_each(self, requests: Sequence[InferenceRequest]) -> AsyncIterator[list[Numbered]]:
        """See `messages.Stage`."""
        return answer_each(self.submit, requests) if self._stage is None else self._stage.infer_each(requests)

    async def drain(self) -> None:
        """Refuse new requests, answer the accepted ones, free the model; once."""
        if self._status.state == "DRAINING":
            return
        self._status = ModelStatus("DRAINING", "it is shutting down")
        if self._batcher is not None:
            await self._batcher.drain()
        if self._loaded is not None:
            await asyncio.get_running_loop().run_in_executor(self._executor, self._loaded.model.unload)
        self._executor.shutdown(wait=False)

    async def _run(self, inputs: dict[str, Array]) -> dict[str, Array]:
        assert self._loaded is not None  # the batcher exists only after loading
        model = self._loaded.model
        padded = self._loaded.layout.padded_input
        num_elements = inputs[padded].size if padded else len(next(iter(inputs.values())))
        predicted_s = self.latency.predict_s(num_elements)
        if predicted_s is not None and predicted_s < INLINE_S:
            return model.infer(inputs)
        return await asyncio.get_running_loop().run_in_executor(self._executor, model.infer, inputs)
