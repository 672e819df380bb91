"""The platform behind Serve's own proxy, with no environment set."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration import checks
from tests.integration.platform import Platform, running_platform

PORT = 8124


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with running_platform("plain", tmp_path_factory.mktemp("plain"), PORT) as platform:
        yield platform


def test_the_wire_s_contract(platform: Platform) -> None:
    checks.check_contract(platform)


def test_paraphrase_ranks_first(platform: Platform) -> None:
    checks.check_paraphrase_ranks_first(platform)


def test_photo_label(platform: Platform) -> None:
    checks.check_photo_label(platform)


def test_digits_accuracy(platform: Platform) -> None:
    checks.check_digits_accuracy(platform)


def test_large_payloads(platform: Platform) -> None:
    checks.check_large_payloads(platform)
