"""The patch types other than apply: a patch and an object -> the object that is wanted."""

from __future__ import annotations

from typing import Any

import jsonpatch

from tests.kuberay.fake_api.errors import ApiError, Object, bad_request
from tests.kuberay.fake_api.typed import OPEN, Schema, children, field_schema


def patched(item: Object, patch: Any, content_type: str, schema: Schema, *, is_custom: bool) -> Object:
    """An object after a patch.

    Args:
        item: As stored.
        patch: The body, read.
        content_type: Which sort of patch.
        schema: Of the whole object: a strategic merge takes map lists item by item.
        is_custom: Custom resources know no strategic merge.

    Raises:
        ApiError: 415 for a sort that the kind does not take, 422 for a JSON patch that does not fit.
    """
    if content_type == "application/merge-patch+json":
        merged: Object = merge_patched(item, patch)
        return merged
    if content_type == "application/json-patch+json":
        try:
            result: Object = jsonpatch.apply_patch(item, patch)
        except jsonpatch.JsonPatchException as error:
            raise ApiError(
                422, "Invalid", f"the server rejected our request due to an error in our request: {error}"
            ) from error
        return result
    if content_type == "application/strategic-merge-patch+json" and not is_custom:
        strategic: Object = _strategic(item, patch, schema)
        return strategic
    raise ApiError(
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
    )


def merge_patched(value: Any, patch: Any) -> Any:
    """RFC 7386: objects merge, null removes, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    result = dict(value) if isinstance(value, dict) else {}
    for name, part in patch.items():
        if part is None:
            result.pop(name, None)
        else:
            result[name] = merge_patched(result.get(name), part)
    return result


def _strategic(value: Any, patch: Any, schema: Schema) -> Any:
    """A merge patch in which items of a map list meet by their keys; `$patch` directives are not known."""
    if isinstance(patch, dict):
        if any(name.startswith("$") for name in patch):
            raise bad_request(f"this stand-in knows no strategic merge directive, got {sorted(patch)}")
        result = dict(value) if isinstance(value, dict) else {}
        for name, part in patch.items():
            if part is None:
                result.pop(name, None)
            else:
                result[name] = _strategic(result.get(name), part, field_schema(schema, name) or OPEN)
        return result
    if isinstance(patch, list) and isinstance(value, list) and (items := children(value, schema)) is not None:
        wanted = children(patch, schema) or {}
        return [
            _strategic(items[element][0], wanted[element][0], items[element][1]) if element in wanted else item
            for element, (item, _) in items.items()
        ] + [item for element, (item, _) in wanted.items() if element not in items]
    return patch
