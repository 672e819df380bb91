"""The tree of errors: what each says, and that it says the same in another process."""

from __future__ import annotations

import copy
import pickle

import pytest

from models import errors
from models.errors import HeadraceError

# One of each class, and its sentence.
EXAMPLES: list[tuple[HeadraceError, str]] = [
    (errors.HeadraceError("it broke"), "it broke"),
    (errors.InvalidRequest("no inputs"), "no inputs"),
    (errors.InvalidTensor("x", "expected FP32"), "tensor 'x': expected FP32"),
    (
        errors.PayloadTooLarge("the request's batch", 5000, 4096, "rows"),
        "the request's batch is 5000 rows, the limit is 4096 rows",
    ),
    (errors.UnknownModel("m", None, ("a", "b")), "model 'm' is not served; served models: a, b"),
    (errors.UnknownModel("m", "9", ("1", "stable")), "model 'm' has no version or label '9'; it has: 1, stable"),
    (errors.ModelUnavailable("m", "1", "draining"), "model 'm' version '1' is unavailable: draining"),
    (
        errors.Overloaded("m", "2048 requests are waiting", 1.25),
        "model 'm' is overloaded: 2048 requests are waiting; retry after 1.25 s",
    ),
    (
        errors.DeadlineExceeded("m", "router", 0.2, None),
        "model 'm': the time budget of 200 ms ran out in the router",
    ),
    (
        errors.DeadlineExceeded("m", "replica", 0.2, 0.34),
        "model 'm': predicted 340 ms, budget 200 ms, given up in the replica",
    ),
    (errors.InferenceFailed("m", "1", "nan"), "model 'm' version '1' failed on this request: nan"),
    (
        errors.ReplicaLost("m", "ActorDiedError"),
        "model 'm': the replica that held this request was lost (ActorDiedError); send it again",
    ),
    (errors.LoadError("a/model.yaml", "too old"), "a/model.yaml: too old"),
    (errors.ManifestError("a/model.yaml", "unknown key"), "a/model.yaml: unknown key"),
    (errors.FileError("a/weights", "is missing"), "a/weights: is missing"),
    (errors.UnsafeFile("a/weights.pt", "is a pickle"), "a/weights.pt: is a pickle"),
]


def test_every_class_has_an_example() -> None:
    declared = {cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, HeadraceError)}
    assert {type(error) for error, _ in EXAMPLES} == declared


@pytest.mark.parametrize(("error", "sentence"), EXAMPLES, ids=lambda value: type(value).__name__)
def test_sentence(error: HeadraceError, sentence: str) -> None:
    assert str(error) == sentence


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(("error", "sentence"), EXAMPLES, ids=lambda value: type(value).__name__)
def test_pickling_keeps_class_facts_and_sentence(error: HeadraceError, sentence: str, protocol: int) -> None:
    arrived = pickle.loads(pickle.dumps(error, protocol))
    assert type(arrived) is type(error)
    assert str(arrived) == sentence
    assert arrived.args == error.args
    assert vars(arrived) == vars(error)


@pytest.mark.parametrize(("error", "sentence"), EXAMPLES, ids=lambda value: type(value).__name__)
def test_a_copy_is_another_object_with_the_same_facts(error: HeadraceError, sentence: str) -> None:
    """The batcher gives each caller a copy: one exception raised twice would gather two tracebacks."""
    copied = copy.copy(error)
    assert copied is not error
    assert (str(copied), vars(copied)) == (sentence, vars(error))


def test_an_error_of_one_tensor_is_an_invalid_request() -> None:
    """One `except InvalidRequest` at the border must catch all that the caller has to change."""
    assert issubclass(errors.InvalidTensor, errors.InvalidRequest)
    assert issubclass(errors.PayloadTooLarge, errors.InvalidRequest)


def test_the_reason_of_a_tensor_s_error_has_no_name_twice() -> None:
    assert errors.InvalidTensor("x", "expected FP32").reason == "expected FP32"


@pytest.mark.parametrize("cls", [errors.ManifestError, errors.FileError, errors.UnsafeFile])
def test_each_failure_to_load_is_a_load_error(cls: type[HeadraceError]) -> None:
    assert issubclass(cls, errors.LoadError)
