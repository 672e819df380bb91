"""What the server refuses, as the `Status` object that every client reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

Object = dict[str, Any]


class Cause(NamedTuple):
    """One entry of `details.causes`."""

    reason: str
    message: str
    field: str


class ApiError(Exception):
    """A request is refused.

    Args:
        code: HTTP status.
        reason: Machine-readable word, or None as for the errors that server-side apply does not classify.
        message: Sentence.
        details: Which object, and which fields.
    """

    def __init__(self, code: int, reason: str | None, message: str, details: Object | None = None) -> None:
        super().__init__(code, reason, message, details)
        self.code, self.reason, self.message, self.details = code, reason, message, details

    def status(self) -> Object:
        """The body of the answer."""
        status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        status["message"] = self.message
        if self.reason:
            status["reason"] = self.reason
        if self.details:
            status["details"] = self.details
        return {**status, "code": self.code}


def qualified(group: str, plural: str) -> str:
    """A resource as messages name it: `rayservices.ray.io`, `pods`."""
    return f"{plural}.{group}" if group else plural


def not_found(group: str, plural: str, name: str) -> ApiError:
    """No object of that name."""
    details = {"name": name, "group": group, "kind": plural}
    return ApiError(404, "NotFound", f'{qualified(group, plural)} "{name}" not found', details)


def already_exists(group: str, plural: str, name: str) -> ApiError:
    """POST of a name that is taken."""
    details = {"name": name, "group": group, "kind": plural}
    return ApiError(409, "AlreadyExists", f'{qualified(group, plural)} "{name}" already exists', details)


def stale(group: str, plural: str, name: str, why: str) -> ApiError:
    """The caller has seen an older object than the one that is stored."""
    message = f'Operation cannot be fulfilled on {qualified(group, plural)} "{name}": {why}'
    return ApiError(409, "Conflict", message, {"name": name, "group": group, "kind": plural})


def bad_request(message: str) -> ApiError:
    """The request itself makes no sense."""
    return ApiError(400, "BadRequest", message)


def invalid(group: str, kind: str, name: str, causes: Sequence[Cause]) -> ApiError:
    """An object breaks rules of its schema or of its metadata."""
    told = [f"{cause.field}: {cause.message}" for cause in causes]
    message = f'{qualified(group, kind)} "{name}" is invalid: {told[0] if len(told) == 1 else _bracketed(told)}'
    details = {"name": name, "group": group, "kind": kind, "causes": [cause._asdict() for cause in causes]}
    return ApiError(422, "Invalid", message, details)


def forbidden(user: str, verb: str, group: str, plural: str, namespace: str | None, name: str | None) -> ApiError:
    """RBAC says no; the sentence names user, verb and resource."""
    resource = qualified(group, plural)
    named = f'{resource} "{name}"' if name else resource
    place = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    message = f'{named} is forbidden: User "{user}" cannot {verb} resource "{plural}" in API group "{group}" {place}'
    details = {"group": group, "kind": plural} | ({"name": name} if name else {})
    return ApiError(403, "Forbidden", message, details)


def _bracketed(told: Sequence[str]) -> str:
    return f"[{', '.join(told)}]"
