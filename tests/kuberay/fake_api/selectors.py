"""Label and field selectors: text of a query parameter -> a test of an object."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from tests.kuberay.fake_api.errors import ApiError, Object, bad_request

Test = Callable[[Object], bool]

_SET_BASED = re.compile(r"^(?P<key>\S+)\s+(?P<word>in|notin)\s*\((?P<values>[^)]*)\)$")
_EQUALITY = re.compile(r"^(?P<key>[^=!\s]+)\s*(?P<word>==|=|!=)\s*(?P<value>\S*)$")

METADATA_FIELDS = frozenset({"metadata.name", "metadata.namespace"})
"""All that the API server selects custom resources by."""

_EVENT_FIELDS = {
    "involvedObject.kind",
    "involvedObject.name",
    "involvedObject.namespace",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "reason",
    "type",
    "regarding.kind",
    "regarding.name",
    "regarding.namespace",
    "regarding.uid",
}
FIELDS_BY_KIND = {
    "Pod": {"spec.nodeName", "spec.restartPolicy", "status.phase", "status.podIP"},
    "Event": _EVENT_FIELDS,
    "Node": {"spec.unschedulable"},
    "Namespace": {"status.phase"},
    "Secret": {"type"},
}


def label_test(selector: str) -> Test:
    """A test for `app=x,tier!=y,env in (a, b),!legacy,present`."""
    tests = [_label_requirement(part.strip()) for part in _split(selector) if part.strip()]
    return lambda item: all(test(item) for test in tests)


def field_test(selector: str, kind: str) -> Test:
    """A test for `metadata.name=x,status.phase!=Failed`.

    Raises:
        ApiError: The kind cannot be selected by that field.
    """
    requirements = []
    for part in filter(None, (part.strip() for part in selector.split(","))):
        match = _EQUALITY.match(part)
        if not match:
            raise bad_request(f"invalid selector: '{selector}'; can't understand '{part}'")
        if match["key"] not in METADATA_FIELDS | FIELDS_BY_KIND.get(kind, set()):
            raise _unsupported(match["key"])
        requirements.append((match["key"].split("."), match["value"], match["word"] != "!="))
    return lambda item: all((_text_at(item, path) == value) is wanted for path, value, wanted in requirements)


def _unsupported(key: str) -> ApiError:
    return bad_request(f"field label not supported: {key}")


def _split(selector: str) -> Iterable[str]:
    return re.split(r",(?![^(]*\))", selector)


def _label_requirement(text: str) -> Test:
    if match := _SET_BASED.match(text):
        values = {value.strip() for value in match["values"].split(",")}
        key, wanted = match["key"], match["word"] == "in"
        if wanted:
            return lambda item: _labels(item).get(key) in values
        return lambda item: _labels(item).get(key) not in values
    if match := _EQUALITY.match(text):
        key, value, equal = match["key"], match["value"], match["word"] != "!="
        return lambda item: (_labels(item).get(key) == value) is equal
    if re.fullmatch(r"!?[\w./-]+", text):
        key = text.lstrip("!")
        return lambda item: (key in _labels(item)) is not text.startswith("!")
    raise bad_request(f"unable to parse requirement: found '{text}', expected: a label requirement")


def _labels(item: Object) -> dict[str, str]:
    labels: dict[str, str] = item["metadata"].get("labels") or {}
    return labels


def _text_at(item: Object, path: list[str]) -> str:
    value: object = item
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
