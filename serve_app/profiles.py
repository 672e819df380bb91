"""Measured profiles of models: what a start and a batch take on each pool, in a file beside the settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from models.manifest import Strict, describe
from serve_app.settings import SettingsError


class Profile(Strict):
    """One model version on one pool of one machine."""

    call_s: float = Field(ge=0, description="Time of a batch whatever its size, seconds.")
    row_s: float = Field(
        ge=0,
        description="Time that each row adds, seconds; as a running platform learned it, with its preprocessing where "
        "that is done by the model's replica.",
    )
    max_rows: int = Field(ge=1, description="Most rows of a batch.")
    fit_error_ratio: float | None = Field(
        None, ge=0, description="Largest error of that line over the measured batches; None: learned, not measured."
    )
    startup_s: float | None = Field(
        None, ge=0, description="From the start of a process until its model is warm, seconds; None: none was seen."
    )
    memory_bytes: int | None = Field(
        None, ge=0, description="Of that process after its largest batch; None: not measured."
    )
    preprocess_row_s: float | None = Field(
        None, ge=0, description="Preprocessing of a row; None: there is none, or `row_s` has it."
    )
    measured: str = Field(description="When, on what.")


Profiles = dict[str, dict[str, dict[str, Profile]]]
"""Model to version to pool to profile."""

_ADAPTER = TypeAdapter(Profiles)


def in_words(profile: Profile) -> str:
    """A profile in one line."""
    largest_s = profile.call_s + profile.row_s * profile.max_rows
    rate = f"{profile.max_rows / largest_s:.4g} rows/s" if largest_s > 0.0 else "no time at all"
    within = "" if profile.fit_error_ratio is None else f" (within {100 * profile.fit_error_ratio:.0f} %)"
    start = "" if profile.startup_s is None else f"; start {profile.startup_s:.1f} s"
    memory = "" if profile.memory_bytes is None else f", {profile.memory_bytes / 2**20:.0f} MiB"
    return (
        f"a batch of n rows takes {profile.call_s * 1e3:.3g} + {profile.row_s * 1e3:.3g} n ms{within}, "
        f"{rate} in batches of {profile.max_rows}{start}{memory}"
    )


def beside(settings: Path) -> Path:
    """Where the profiles of a settings file are."""
    return settings.with_suffix(".profiles.yaml")


def read_profiles(path: Path) -> Profiles:
    """Read a file of profiles.

    Raises:
        SettingsError: It cannot be read, or is none; says where and why.
    """
    try:
        return _ADAPTER.validate_python(yaml.safe_load(path.read_bytes()) or {})
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; `headrace profile MODEL` writes it") from error
    except ValidationError as error:
        raise SettingsError(f"{path}: {describe(error)}") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that there is not, such as 2026-13-45
        raise SettingsError(f"{path}: is not YAML: " + " ".join(str(error).split())) from error


def write_profiles(path: Path, profiles: Profiles) -> None:
    """Write them, whole or not at all."""
    plain: Mapping[str, Any] = _ADAPTER.dump_python(profiles, exclude_none=True)
    partial = path.with_suffix(".partial")
    partial.write_text("# Written by `headrace profile`; seconds and bytes.\n" + yaml.safe_dump(plain, sort_keys=True))
    partial.replace(path)
