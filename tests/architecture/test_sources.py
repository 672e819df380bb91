"""What every file keeps to: its size, its docstrings, nothing at import, no name that says nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.project import ROOT, sources

MAX_LINES = 300
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
SHIPPED = sources("serve_app", "models", "autoscaling", "kuberay")

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(), str(path))


def public(node: ast.Module | ast.ClassDef) -> Iterator[Documented]:
    """A module or class, and what is public in it; not what functions keep for themselves."""
    yield node
    for child in node.body:
        if isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
            yield from public(child)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not child.name.startswith("_"):
            yield child


@pytest.mark.parametrize("path", sources(), ids=str)
def test_a_file_is_short_enough_to_be_read(path: Path) -> None:
    num_lines = len((ROOT / path).read_text().splitlines())
    assert num_lines <= MAX_LINES, f"{path} has {num_lines} lines: it does two jobs, give each a file"


@pytest.mark.parametrize("path", SHIPPED, ids=str)
def test_what_is_public_says_what_it_does(path: Path) -> None:
    silent = [
        f"{path}:{getattr(node, 'lineno', 1)} {getattr(node, 'name', 'the module')}"
        for node in public(tree(path))
        if not ast.get_docstring(node)
    ]
    assert silent == []


@pytest.mark.parametrize("path", sources(), ids=str)
def test_a_name_says_what_the_file_does(path: Path) -> None:
    assert VAGUE.isdisjoint(path.with_suffix("").parts)


@pytest.mark.parametrize("path", SHIPPED, ids=str)
def test_nothing_runs_at_import(path: Path) -> None:
    """Besides definitions, imports and constants; `if` only for types and for `python -m`."""
    allowed = (
        ast.Import,
        ast.ImportFrom,
        ast.FunctionDef,
        ast.AsyncFunctionDef,
        ast.ClassDef,
        ast.Assign,
        ast.AnnAssign,
    )
    for node in tree(path).body:
        if isinstance(node, ast.If):
            assert ast.unparse(node.test) in ("TYPE_CHECKING", "__name__ == '__main__'"), f"{path}:{node.lineno}"
        elif isinstance(node, ast.Expr):
            is_text = isinstance(node.value, ast.Constant)
            assert is_text or _is_registration(node.value), f"{path}:{node.lineno}"
        else:
            assert isinstance(node, allowed), f"{path}:{node.lineno}"


def _is_registration(value: ast.expr) -> bool:
    """One command-line application added to another, which is how the command's parts are declared."""
    return isinstance(value, ast.Call) and ast.unparse(value.func).endswith(".add_typer")


MESSAGES = Path("serve_app/dispatch/direct/frames.py")
"""Between processes of one application: a peer gives the replica's token before anything of it is read."""


@pytest.mark.parametrize("path", [path for path in SHIPPED if path != MESSAGES], ids=str)
def test_no_model_file_is_unpickled(path: Path) -> None:
    """Loading a file must never run code from it; `pickle` is for messages, read by Serve or one file."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("pickle.load", "pickle.loads", "cloudpickle.loads", "joblib.load"), path
            if called == "torch.load":
                arguments = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert arguments.get("weights_only") == "True", f"{path}:{node.lineno}"


@pytest.mark.parametrize("path", SHIPPED, ids=str)
def test_an_exception_that_is_caught_whole_says_why(path: Path) -> None:
    """`except Exception` belongs to a border (route, batch, load), and each has its reason or logs and raises on."""
    lines = (ROOT / path).read_text().splitlines()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            pytest.fail(f"{path}:{node.lineno}: a bare except takes cancellation and exit too")
        if isinstance(node, ast.ExceptHandler) and ast.unparse(node.type or node) in ("Exception", "BaseException"):
            near = lines[node.lineno - 1] + lines[node.body[0].lineno - 2] + lines[node.body[0].lineno - 1]
            raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
            assert "#" in near or raises, f"{path}:{node.lineno}: why is everything caught here?"
