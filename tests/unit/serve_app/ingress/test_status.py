"""The table from errors to HTTP."""

from __future__ import annotations

import asyncio

import pytest

from models.errors import (
    DeadlineExceeded,
    HeadraceError,
    InferenceFailed,
    InvalidRequest,
    InvalidTensor,
    LoadError,
    ModelUnavailable,
    Overloaded,
    PayloadTooLarge,
    ReplicaLost,
    UnknownModel,
)
from serve_app.ingress.reply import error_reply
from serve_app.ingress.status import MAX_MESSAGE_CHARS, message_of, retry_after_s, status_of

CASES: list[tuple[BaseException, int]] = [
    (InvalidRequest("no"), 400),
    (InvalidTensor("x", "no"), 400),
    (PayloadTooLarge("the body", 2, 1, "bytes"), 413),
    (UnknownModel("m", None, ()), 404),
    (ModelUnavailable("m", "1", "loading"), 503),
    (Overloaded("m", "full", 0.2), 429),
    (DeadlineExceeded("m", "router", 1.0, None), 504),
    (InferenceFailed("m", "1", "bad"), 500),
    (ReplicaLost("m", "gone"), 503),
    (LoadError("file", "bad"), 500),
    (ValueError("inside"), 500),
    (asyncio.CancelledError(), 499),
]


@pytest.mark.parametrize(("error", "status"), CASES)
def test_status_of(error: BaseException, status: int) -> None:
    assert status_of(error) == status


def test_a_new_error_has_its_parents_status() -> None:
    class StillInvalid(InvalidTensor):
        pass

    assert status_of(StillInvalid("x", "no")) == 400


def test_every_class_of_the_tree_has_a_case() -> None:
    def below(cls: type[HeadraceError]) -> set[type[HeadraceError]]:
        return {cls}.union(*(below(child) for child in cls.__subclasses__()))

    tested = {cls for error, _ in CASES for cls in type(error).__mro__}
    missing = {cls for cls in below(HeadraceError) if cls.__module__ == "models.errors"} - tested
    assert {cls for cls in missing if not issubclass(cls, LoadError)} == set()


@pytest.mark.parametrize(
    ("wait_s", "header"), [(0.0, 1), (0.001, 1), (1.0, 1), (1.01, 2), (59.5, 60), (float("inf"), 1)]
)
def test_retry_after_is_whole_and_at_least_one(wait_s: float, header: int) -> None:
    error = Overloaded("m", "full", wait_s)
    assert retry_after_s(error) == header
    assert (b"retry-after", str(header).encode()) in error_reply(error).headers
    assert f"{wait_s:.3g} s" in message_of(error)


def test_only_some_errors_say_when_to_come_back() -> None:
    assert retry_after_s(ReplicaLost("m", "gone")) == 1
    assert retry_after_s(ModelUnavailable("m", "1", "failed to load")) is None


def test_messages() -> None:
    assert "inside" not in message_of(ValueError("inside"))
    long = message_of(InvalidRequest("x" * 10**6))
    assert len(long) == MAX_MESSAGE_CHARS + 3
