"""What the API server says when it refuses."""

from __future__ import annotations

import json
from typing import Any

from kubernetes.client.exceptions import ApiException


def told(error: ApiException) -> dict[str, Any]:
    """The Status in an exception's body, which is text from version 36 of the client on."""
    assert isinstance(error.body, str)
    status: dict[str, Any] = json.loads(error.body)
    return status
