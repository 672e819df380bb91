"""One platform at a time: each module's platform is stopped before the next one starts."""

from __future__ import annotations

from pathlib import Path

import pytest

INTEGRATION = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if INTEGRATION in item.path.parents:
            item.add_marker(pytest.mark.integration)
