"""One tree of errors, in one file, each of which survives the way between processes."""

from __future__ import annotations

import importlib
import inspect
import pickle
from typing import Any, get_type_hints

import pytest

from models import errors
from models.errors import HeadraceError
from tests.architecture.project import sources


def classes() -> list[type[HeadraceError]]:
    """The root and all that derive from it, in every module of the platform."""
    for path in sources("serve_app", "models", "autoscaling"):
        importlib.import_module(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
    found: list[type[HeadraceError]] = [HeadraceError]
    for cls in found:
        found += cls.__subclasses__()
    return [cls for cls in dict.fromkeys(found) if not cls.__module__.startswith("tests.")]


CLASSES = classes()

VALUES: dict[Any, Any] = {
    str: "a text",
    int: 7,
    float: 0.25,
    str | None: None,
    float | None: None,
    tuple[str, ...]: ("a", "b"),
}


def example(cls: type[HeadraceError]) -> HeadraceError:
    if cls.__init__ is Exception.__init__:
        return cls("a text")
    hints = get_type_hints(cls.__init__)
    return cls(*[VALUES[hints[name]] for name in list(inspect.signature(cls).parameters)])


def test_the_tree_is_in_one_file_but_for_what_only_a_client_meets() -> None:
    assert {cls.__module__ for cls in CLASSES} == {errors.__name__, "serve_app.client"}


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_an_error_survives_pickling_with_its_sentence(cls: type[HeadraceError]) -> None:
    error = example(cls)
    arrived = pickle.loads(pickle.dumps(error))
    assert type(arrived) is cls
    assert str(arrived) == str(error) != ""
    assert vars(arrived) == vars(error)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_an_error_knows_no_status_code(cls: type[HeadraceError]) -> None:
    """One table in the ingress does; a second protocol has other codes."""
    names = {name for name in (*vars(cls), *vars(example(cls))) if not name.startswith("_")}
    assert not {name for name in names if "status" in name or "code" in name or "http" in name}
