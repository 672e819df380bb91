"""The file of profiles, and what scaling takes from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from serve_app.profiles import Profile, beside, read_profiles, write_profiles
from serve_app.scaling import Autoscaling
from serve_app.settings import SettingsError

PROFILE = Profile(
    call_s=0.01, row_s=0.002, max_rows=32, fit_error_ratio=0.05, startup_s=7.5, memory_bytes=10**9, measured="today"
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = beside(tmp_path / "local.yaml")
    assert path.name == "local.profiles.yaml"
    write_profiles(path, {"m": {"1": {"cpu": PROFILE}}})
    assert read_profiles(path) == {"m": {"1": {"cpu": PROFILE}}}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("m: {'1': {cpu: {call_s: -1}}}", "call_s"),
        ("m: [1]", "m"),
        ("m: {", "is not YAML"),
        ("m: 2026-13-45", "is not YAML"),
        (None, "`headrace profile MODEL` writes it"),
    ],
)
def test_a_file_that_is_none_says_where(tmp_path: Path, text: str | None, reason: str) -> None:
    path = tmp_path / "p.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SettingsError, match=reason):
        read_profiles(path)


def test_what_was_measured_is_assumed_unless_the_settings_say_otherwise() -> None:
    measured = {"curve": [0.01, 0.002, 32], "startup_s": 7.5}
    kwargs = Autoscaling().serve_config(measured)["policy"]["policy_kwargs"]
    assert (kwargs["curve"], kwargs["startup_s"]) == ([0.01, 0.002, 32], 7.5)
    kwargs = Autoscaling(startup_s=40.0).serve_config(measured)["policy"]["policy_kwargs"]
    assert kwargs["startup_s"] == 40.0
