"""A model that a test drives, in the place of the one that would be loaded."""

from __future__ import annotations

import pytest

from serve_app.replica import lifecycle
from tests.unit.serve_app.replica.building import FakeModel


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeModel:
    model = FakeModel()
    monkeypatch.setattr(lifecycle, "load_model", lambda manifest, files, compute: model)
    return model
