"""What a `.pt2` archive may hold before `torch.export.load` gets it.

`torch.export.load` (seen in torch 2.13) runs code from the file in more ways than pickle: it unpickles sample inputs,
weights and constants that the archive marks so (falling back to `weights_only=False`), loads shared libraries of
AOTInductor, gives size expressions to `sympy.sympify`, which evaluates them as Python, compiles guards and node names
into Python source, and resolves operators as attributes of the `torch` module, of which `torch.os.system` is one.

So everything is refused that is not known to be harmless: records that are raw tensors are kept, sample inputs, guards,
stack traces and extra files are dropped, and every string left in the graph must have the form that its place asks for.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from typing import Any

from models.backends.archive import Archive
from models.errors import FileError, UnsafeFile

GRAPH = "models/model.json"
SAMPLE_INPUTS = "data/sample_inputs/model.pt"
_KEPT = re.compile(
    r"archive_format|archive_version|byteorder|\.data/(version|serialization_id)|models/model\.json"
    r"|data/weights/(weight_\d+|model_weights_config\.json)|data/constants/(tensor_\d+|model_constants_config\.json)"
)
_DROPPED = re.compile(r"data/sample_inputs/model\.pt|extra/.*")
# Keys whose values torch would run or show, and a model does not need.
_EMPTIED: dict[str, object] = {"metadata": {}, "guards_code": [], "treespec_namedtuple_fields": {}}

_PLAIN = re.compile(r"(?!__)[A-Za-z0-9_+-]*(\.(?!__)[A-Za-z0-9_+-]+)*")
_RANGE = re.compile(r"[A-Za-z0-9_*+/ ()-]*")
_SYMBOL = re.compile(r"[a-z]+[0-9]+")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?")
_OPERATOR = re.compile(
    r"torch\.ops\.(aten|prims)\.(?!save\b|from_file\b)\w+\.\w+"
    r"|torch\.ops\.higher_order\.wrap_with_set_grad_enabled"
    r"|_operator\.(getitem|add|sub|mul|truediv|floordiv|mod|pow|neg|pos|and_|or_|xor|lshift|rshift|eq|ne|lt|le|gt|ge)"
    r"|math\.(ceil|floor|trunc|sqrt)"
    r"|torch\.sym_(int|float|max|min|not|ite|sum)|torch\._sym_sqrt"
)
# Of sympy and torch.utils._sympy.functions: pure functions of numbers.
_FUNCTIONS = frozenset({
    "Symbol", "Integer", "Float", "Rational", "Add", "Mul", "Pow", "Max", "Min", "Abs", "Eq", "Ne", "Lt", "Le", "Gt",
    "Ge", "And", "Or", "Not", "Piecewise", "Equality", "Unequality", "StrictLessThan", "LessThan", "StrictGreaterThan",
    "GreaterThan", "BooleanTrue", "BooleanFalse", "true", "false", "FloorDiv", "ModularIndexing", "Where", "PythonMod",
    "Mod", "CleanDiv", "CeilToInt", "FloorToInt", "CeilDiv", "LShift", "RShift", "PowByNatural", "FloatPow",
    "FloatTrueDiv", "IntTrueDiv", "TruncToFloat", "TruncToInt", "RoundToInt", "RoundDecimal", "ToFloat", "Identity",
})  # fmt: skip
_TREE_TYPES = (None, "builtins.tuple", "builtins.list", "builtins.dict")


def checked(archive: Archive, shown: str) -> Archive:
    """Give the archive's harmless part.

    Args:
        archive: As read.
        shown: What the error names.

    Raises:
        UnsafeFile: Something in it could run code, or is not known to be harmless.
        FileError: It is not what `torch.export.save` writes.
    """
    if GRAPH not in archive.records:
        raise FileError(shown, f"is no exported program: it has no record {GRAPH}; write it by torch.export.save")
    records = {}
    for name, content in archive.records.items():
        if _DROPPED.fullmatch(name):
            continue
        if not _KEPT.fullmatch(name):
            raise _unsafe(shown, f"holds the record '{name}', which is or may be pickled or compiled code")
        if name.endswith(".json"):
            check = _check_graph if name == GRAPH else _check_payload
            records[name] = _checked_json(content, name, check, shown)
        else:
            records[name] = content
    return Archive({**records, SAMPLE_INPUTS: b""})


def _checked_json(content: bytes, name: str, check: Callable[[Any, str, str], Any], shown: str) -> bytes:
    try:
        return json.dumps(check(json.loads(content), "", shown)).encode()
    except (ValueError, RecursionError) as error:
        raise FileError(shown, f"its record '{name}' cannot be read; is it damaged? ({error})") from error


def _check_payload(value: Any, key: str, shown: str) -> Any:
    """Check a list of weights: nothing pickled, plain names."""
    if isinstance(value, dict) and value.get("use_pickle"):
        raise _unsafe(shown, f"holds pickled weights ('{value.get('path_name')}')")
    return _descend(value, key, shown, _check_payload)


def _check_graph(value: Any, key: str, shown: str) -> Any:
    """Check the graph: give it back without what is dropped."""
    if key in _EMPTIED:
        return _EMPTIED[key]
    if isinstance(value, str):
        harmless = {
            "expr_str": _is_expression,
            "target": _is_operator,
            "as_operator": _is_operator,
            "in_spec": _is_tree,
            "out_spec": _is_tree,
            "as_string": _is_argument,
            "as_strings": _is_argument,
        }.get(key, _is_plain)
        if not harmless(value):
            raise _unsafe(shown, f"has {key or 'a string'} {value[:60]!r}, which is not known to be harmless")
        return value
    if isinstance(value, dict) and key == "range_constraints":
        if not all(_RANGE.fullmatch(name) for name in value):
            raise _unsafe(shown, "has a range constraint that is no expression of sizes")
        return {name: _descend(limits, "", shown, _check_graph) for name, limits in value.items()}
    return _descend(value, key, shown, _check_graph)


def _descend(value: Any, key: str, shown: str, check: Callable[[Any, str, str], Any]) -> Any:
    """Check what a value holds; elements of a list are checked under the list's key."""
    if isinstance(value, dict):
        for name in value:
            if not _is_plain(name):
                raise _unsafe(shown, f"has the name {name[:60]!r}, which is not known to be harmless")
        return {name: check(item, name, shown) for name, item in value.items()}
    if isinstance(value, list):
        return [check(item, key, shown) for item in value]
    if isinstance(value, str) and not _is_plain(value):
        raise _unsafe(shown, f"has {key} {value[:60]!r}, which is not known to be harmless")
    return value


def _is_plain(text: str) -> bool:
    return _PLAIN.fullmatch(text) is not None


def _is_operator(text: str) -> bool:
    return _OPERATOR.fullmatch(text) is not None


def _is_argument(text: str) -> bool:
    """A string that an operator takes (an einsum's equation): torch quotes it."""
    return text.isascii() and text.isprintable()


def _is_tree(text: str) -> bool:
    """The nesting of inputs or outputs: tuples, lists and dicts with plain keys."""
    try:
        protocol, tree = json.loads(text)
        return protocol == 1 and _is_tree_node(tree)
    except (ValueError, TypeError, KeyError, RecursionError):
        return False


def _is_tree_node(node: Any) -> bool:
    keys = json.loads(node["context"]) if node["context"] is not None else None
    if node["type"] not in _TREE_TYPES or not (keys is None or isinstance(keys, list)):
        return False
    if not all(isinstance(key, str) and _is_plain(key) for key in keys or ()):
        return False
    return all(_is_tree_node(child) for child in node["children_spec"])


def _is_expression(text: str) -> bool:
    """A size as sympy prints it: nested calls of known functions on numbers and symbols."""
    try:
        return len(text) < 10_000 and _is_term(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _is_term(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=value):
            return isinstance(value, bool | int | float)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _is_term(operand)
        case ast.Name(id=name):
            return name in _FUNCTIONS or _SYMBOL.fullmatch(name) is not None
        case ast.Call(func=ast.Name(id="Symbol"), args=[ast.Constant(value=str() as name)], keywords=keywords):
            return _SYMBOL.fullmatch(name) is not None and all(isinstance(k.value, ast.Constant) for k in keywords)
        case ast.Call(func=ast.Name(id="Float"), args=[ast.Constant(value=str() as number)], keywords=keywords):
            return _NUMBER.fullmatch(number) is not None and all(isinstance(k.value, ast.Constant) for k in keywords)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            return name in _FUNCTIONS and all(map(_is_term, args))
        case ast.Tuple(elts=elements):
            return all(map(_is_term, elements))
        case _:
            return False


def _unsafe(shown: str, finding: str) -> UnsafeFile:
    return UnsafeFile(shown, f"{finding}; export the model again with plain tensors, by torch.export.save")
