"""What a platform has learned goes into the profiles, and nothing else does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from serve_app.command.learned_profiles import learn_profiles, with_learned
from serve_app.profiles import Profile, read_profiles, write_profiles
from serve_app.selection import Selected, select_models
from serve_app.settings import SettingsError, parse_settings
from tests.unit.serve_app.building import write_front, write_version

MEASURED = Profile(
    call_s=0.01,
    row_s=0.002,
    max_rows=32,
    fit_error_ratio=0.05,
    startup_s=7.5,
    memory_bytes=10**9,
    preprocess_row_s=0.001,
    measured="before",
)


def entry(name: str = "m-v1-cpu", **changes: Any) -> dict[str, Any]:
    """As `GET /autoscaling` has it, of a deployment that nothing was learned of."""
    return {"deployment": name, "now": None, "changes": [], "starts_s": [], "curve": None, "num_errors": 0} | changes


def select(root: Path, *models: dict[str, Any]) -> list[Selected]:
    options = {"repositories": [str(root)], "cache_dir": str(root / ".cache"), "models": list(models)}
    return select_models(parse_settings(options, "test"))


def test_batches_and_starts_replace_what_was_measured_and_memory_stays() -> None:
    learned = entry(curve=[0.02, 0.004, 16], starts_s=[*range(1, 10), 60.0])
    assert with_learned(MEASURED, learned, "now", preprocesses=True) == Profile(
        call_s=0.02, row_s=0.004, max_rows=16, startup_s=9.0, memory_bytes=10**9, measured="now"
    )
    apart = with_learned(MEASURED, learned, "now", preprocesses=False)
    assert apart is not None
    assert apart.preprocess_row_s == 0.001


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({}, {}),
        ({"starts_s": [4.0]}, {"startup_s": 4.0, "measured": "now"}),
        # Batches of one size, which say nothing of others.
        ({"curve": [0.02, 0.0, 32]}, {}),
        ({"curve": [0.02, 0.0, 1]}, {"call_s": 0.02, "row_s": 0.0, "max_rows": 1, "measured": "now"}),
    ],
)
def test_what_was_not_learned_is_left_as_it_was(changes: dict[str, Any], left: dict[str, Any]) -> None:
    found = with_learned(MEASURED, entry(**changes), "now", preprocesses=False)
    assert found is not None
    expected = MEASURED.model_dump() | left
    assert found.model_dump() | {"fit_error_ratio": None} == expected | {"fit_error_ratio": None}
    assert (found.fit_error_ratio is None) == ("call_s" in left)


@pytest.mark.parametrize("changes", [{}, {"starts_s": [4.0]}, {"curve": [0.02, 0.0, 16]}])
def test_a_first_profile_takes_batches(changes: dict[str, Any]) -> None:
    assert with_learned(None, entry(**changes), "now", preprocesses=False) is None


def test_a_first_profile_without_a_start_leaves_that_to_the_settings() -> None:
    found = with_learned(None, entry(curve=[0.02, 0.004, 16]), "now", preprocesses=False)
    assert found == Profile(call_s=0.02, row_s=0.004, max_rows=16, measured="now")


def test_the_file_gets_what_is_new_and_keeps_the_rest(tmp_path: Path) -> None:
    write_version(tmp_path, "m", "1")
    write_front(tmp_path, "f", "tokenize")
    path = tmp_path / "local.profiles.yaml"
    write_profiles(path, {"m": {"1": {"cpu": MEASURED, "gpu": MEASURED}}, "gone": {"1": {"cpu": MEASURED}}})
    said: list[str] = []
    answer = [
        entry(curve=[0.02, 0.004, 16], starts_s=[3.0]),
        entry("f-v1-cpu", curve=[0.05, 0.01, 8], starts_s=[5.0]),
        entry("Preprocessor-image", curve=[0.0, 0.03, 1], starts_s=[5.0]),
    ]
    learn_profiles(path, select(tmp_path, {"name": "m"}, {"name": "f"}), answer, "the test", said.append)
    found = read_profiles(path)
    assert found["m"]["1"]["gpu"] == found["gone"]["1"]["cpu"] == MEASURED
    assert (found["m"]["1"]["cpu"].call_s, found["m"]["1"]["cpu"].startup_s) == (0.02, 3.0)
    assert found["f"]["1"]["cpu"].memory_bytes is None
    assert found["f"]["1"]["cpu"].measured.endswith(", learned by the test")
    assert said == [
        "m-v1-cpu: a batch of n rows takes 20 + 4 n ms, 190.5 rows/s in batches of 16; start 3.0 s, 954 MiB",
        "f-v1-cpu: a batch of n rows takes 50 + 10 n ms, 61.54 rows/s in batches of 8; start 5.0 s",
    ]
    assert [file.name for file in tmp_path.glob("local*")] == [path.name]


def test_nothing_learned_writes_nothing(tmp_path: Path) -> None:
    write_version(tmp_path, "m", "1")
    path, said = tmp_path / "local.profiles.yaml", []
    learn_profiles(path, select(tmp_path, {"name": "m"}), [entry()], "the test", said.append)
    assert not path.exists()
    assert said == ["m-v1-cpu: left out, it has not yet run batches of two sizes"]


def test_a_platform_of_other_models_is_an_error(tmp_path: Path) -> None:
    write_version(tmp_path, "m", "1")
    with pytest.raises(SettingsError, match="these do: other-v1-cpu"):
        learn_profiles(
            tmp_path / "p.yaml",
            select(tmp_path, {"name": "m"}),
            [entry("other-v1-cpu")],
            "the test",
            lambda _line: None,
        )


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_version(tmp_path, "m", "1")
    path = tmp_path / "local.profiles.yaml"
    write_profiles(path, {"m": {"1": {"cpu": MEASURED}}})

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(SettingsError, match="No space left on device; the profiles stay as they were"):
        learn_profiles(path, select(tmp_path, {"name": "m"}), [entry(starts_s=[3.0])], "x", lambda _line: None)
    monkeypatch.undo()
    assert yaml.safe_load(path.read_text())["m"]["1"]["cpu"]["startup_s"] == 7.5
