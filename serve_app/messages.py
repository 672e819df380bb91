"""The frozen values that cross processes between stages, and the one interface that every stage has.

Named tuples: they pickle by position, a third of a dataclass's cost, and are made once per request.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, Protocol

from models.errors import HeadraceError
from models.tensor import Array, num_bytes


class InferenceRequest(NamedTuple):
    """One caller's request to one model version.

    Attributes:
        inputs: Input name to array, each of shape (num_rows, *item), checked against the model's specifications.
        num_rows: Rows on the batch axis, the same for all inputs.
        priority: 1 is the most urgent, larger is later; 0 stands for the default (last).
        budget_s: Time left for the answer when this value was made, seconds. None: no deadline. The receiver turns
            it into its own clock's deadline on arrival: clocks of two machines do not agree.
    """

    inputs: dict[str, Array]
    num_rows: int
    priority: int = 0
    budget_s: float | None = None

    @property
    def num_bytes(self) -> int:
        """Size of the tensors' data, bytes."""
        return sum(num_bytes(array) for array in self.inputs.values())


class InferenceResponse(NamedTuple):
    """The answer to one request.

    Attributes:
        outputs: Output name to array, each of shape (num_rows, *item), rows in the request's order.
        queue_s: Time spent waiting for a batch in the replica, seconds.
        compute_s: Time of the batches that this request was part of, seconds.
        batch_rows: Rows of the largest of those batches.
        preprocess_s: Time spent in preprocessing, seconds.
    """

    outputs: dict[str, Array]
    queue_s: float = 0.0
    compute_s: float = 0.0
    batch_rows: int = 0
    preprocess_s: float = 0.0

    @property
    def num_bytes(self) -> int:
        """Size of the tensors' data, bytes."""
        return sum(num_bytes(array) for array in self.outputs.values())


Result = InferenceResponse | HeadraceError
Numbered = tuple[int, Result]


class Stage(Protocol):
    """A step of the graph, wherever it lives: in this process, or behind a Serve handle."""

    async def infer_many(self, requests: Sequence[InferenceRequest]) -> list[Result]:
        """Answer several callers' requests, each on its own.

        Returns:
            One result per request, in order; a request's failure is its result, never an exception.

        Raises:
            Exception: The stage as a whole was lost; no request of this call has an answer.
        """
        ...

    def infer_each(self, requests: Sequence[InferenceRequest]) -> AsyncIterator[list[Numbered]]:
        """Answer as `infer_many` does, but give each result as soon as it is there, with its place in `requests`."""
        ...


class FrontStage(Stage, Protocol):
    """A stage that works on requests before another one in the same process, and counts its work.

    Attributes:
        num_rows: Rows that were worked on since the start.
        busy_s: Time that it took, summed over threads, seconds.
    """

    num_rows: int
    busy_s: float
