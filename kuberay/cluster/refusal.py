"""What an error of the API server says, in sentences with the path of the field.

Source: what kube-apiserver 1.36 answers to server-side apply; types and unknown fields come as HTTP 500, no reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from kuberay.cluster.errors import ClusterError, Refused, Unreachable

_TYPED = re.compile(r"failed to create typed patch object(?: \(.*?\))?: (?:errors:\n)?(.*)", re.DOTALL)
"""Which object, old API servers do not say."""
_LATER = {408, 429, 500, 502, 503, 504}
_NOT_CHECKED = "some validation rules were not checked"
_OWNER = re.compile(r'conflict with "([^"]+)"')

_CONFLICT_CURE = (
    "put the value that is there into the settings, or take the field over with --force-conflicts, "
    "which undoes the other's change"
)
_OPERATOR_CURE = (
    "the operator took the list when it filled in fields that were not written: write `metadata` in every pod "
    "template and `scaleStrategy: {}` in every group, and apply once with --force-conflicts"
)


def refusal(subject: str, status: int, reason: str | None, body: str | bytes | None) -> ClusterError:
    """Turn an error of the API server into one of ours.

    Args:
        subject: What was asked for.
        status: HTTP status; 0 where there was none.
        reason: The status line's.
        body: A `Status` object as JSON, or whatever stands between us and the server has said.
    """
    text = body.decode(errors="replace") if isinstance(body, bytes) else body or ""
    answer = _status(text)
    message = answer.get("message") or text.strip() or reason or "no reason given"
    causes = (answer.get("details") or {}).get("causes") or ()
    if typed := _TYPED.search(message):
        return Refused(subject, status, tuple(_typed(line) for line in typed.group(1).strip().splitlines()))
    if status in _LATER or status == 0:
        return Unreachable(subject, f"{status} {message}" if status else message)
    if status == 401:
        return Refused(subject, status, ("it does not know who you are: log in again, or choose --context",))
    if status == 409 and any(cause.get("reason") == "FieldManagerConflict" for cause in causes):
        return Refused(subject, status, tuple(map(_conflict, causes)))
    if status == 422 and causes:
        told = tuple(_cause(cause) for cause in causes if _NOT_CHECKED not in cause.get("message", ""))
        return Refused(subject, status, told or (message,))
    if status == 403 and "is being terminated" not in message:
        message += ". Ask for a Role with that verb, or choose another --context"
    return Refused(subject, status, (message,))


def _status(text: str) -> Mapping[str, Any]:
    try:
        answer = json.loads(text)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _typed(line: str) -> str:
    """`.spec.a: field not declared in schema`, as the field is written in a file."""
    path, _, told = line.strip().lstrip(".").partition(": ")
    known = {
        "field not declared in schema": "is no field that this cluster knows: a typing error, or of a newer KubeRay",
    }
    told = known.get(told, told)
    return f"{path} {told}" if told.startswith("is no") else f"{path}: {told}"


def _conflict(cause: Mapping[str, Any]) -> str:
    owner = _OWNER.search(cause.get("message", ""))
    name = owner.group(1) if owner else "another manager"
    cure = _OPERATOR_CURE if name == "kuberay-operator" else _CONFLICT_CURE
    return f"{cause.get('field', '').lstrip('.')} belongs to {name}: {cure}"


def _cause(cause: Mapping[str, Any]) -> str:
    field, told = cause.get("field", ""), cause.get("message", "")
    return told if field in ("", "<nil>") else f"{field}: {told}"
