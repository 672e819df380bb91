"""Profiles brought up to date by what a running platform has learned: it measures all day, on its own machines."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from autoscaling.policy.starts import Starts
from serve_app.profiles import Profile, Profiles, beside, in_words, read_profiles, write_profiles
from serve_app.reservation import deployment_name
from serve_app.selection import Selected, preprocessing_placement, select_models
from serve_app.settings import SettingsError, load_settings
from serve_app.wire_client import WireClient


def profile_running(settings_path: Path, model: str | None, url: str, say: Callable[[str], None]) -> Path:
    """Bring the profiles beside the settings up to date by what a running platform has learned.

    Args:
        settings_path: Settings file, or a Serve config file with settings inside.
        model: Its name there; None: every model.
        url: Where the platform is.
        say: Takes a line for each pool.

    Returns:
        The file that holds the profiles now.

    Raises:
        SettingsError: See `learn_profiles`; or the settings have no such model, or too little was learned of any.
        WireError: The platform does not answer.
    """
    selected = [found for found in select_models(load_settings(settings_path)) if model in (None, found.name)]
    if not selected:
        raise SettingsError(f"{settings_path} serves no model '{model}'")
    path = beside(settings_path)
    learn_profiles(path, selected, WireClient(url).autoscaling(), f"the platform at {url}", say)
    if not path.exists():
        raise SettingsError(f"{path}: not written, too little was learned yet")
    return path


def learn_profiles(
    path: Path,
    selected: Sequence[Selected],
    deployments: Sequence[Mapping[str, Any]],
    source: str,
    say: Callable[[str], None],
) -> None:
    """Bring a file of profiles up to date; what was measured and not learned stays.

    Args:
        path: The file; it need not exist.
        selected: Models of the settings.
        deployments: What the platform answers to `GET /autoscaling`.
        source: Who learned it, in words.
        say: Takes a line for each pool.

    Raises:
        SettingsError: None of the deployments is of these models, or the file cannot be read or written.
    """
    before = read_profiles(path) if path.exists() else {}
    measured = f"{time.strftime('%Y-%m-%d')}, learned by {source}"
    profiles = updated(before, selected, deployments, measured, say)
    if profiles == before:
        return
    try:
        write_profiles(path, profiles)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; the profiles stay as they were") from error


def updated(
    before: Profiles,
    selected: Sequence[Selected],
    deployments: Sequence[Mapping[str, Any]],
    measured: str,
    say: Callable[[str], None],
) -> Profiles:
    """The profiles with what was learned; see `learn_profiles`, and `Profile.measured`."""
    profiles = copy.deepcopy(before)
    learned = {deployment["deployment"]: deployment for deployment in deployments}
    is_any = False
    for model in selected:
        for version, found in model.sources.items():
            for pool in model.options.pools:
                name = deployment_name(found.manifest, pool)
                if name not in learned:
                    continue
                is_any = True
                known = before.get(model.name, {}).get(version, {}).get(pool.name)
                preprocesses = preprocessing_placement(model.options, found.manifest) == "replica"
                profile = with_learned(known, learned[name], measured, preprocesses)
                if profile is None:
                    say(f"{name}: left out, it has not yet run batches of two sizes")
                    continue
                say(f"{name}: {in_words(profile)}")
                profiles.setdefault(model.name, {}).setdefault(version, {})[pool.name] = profile
    if not is_any:
        names = ", ".join(sorted(learned)) or "none"
        raise SettingsError(f"no model of the settings follows its load by Headrace's policy there; these do: {names}")
    return profiles


def with_learned(
    known: Profile | None, learned: Mapping[str, Any], measured: str, preprocesses: bool
) -> Profile | None:
    """A pool's profile after what its policy learned.

    Args:
        known: Before; None: there is none.
        learned: The deployment's entry of `GET /autoscaling`.
        measured: When, by whom.
        preprocesses: Its replicas do the preprocessing, and count it to their rows.

    Returns:
        None where nothing is known of batches.
    """
    facts = {} if known is None else known.model_dump()
    call_s, row_s, max_rows = learned.get("curve") or (0.0, 0.0, 0)
    # A level line is what batches of one size make: it says nothing of larger ones.
    if row_s > 0.0 or max_rows == 1:
        facts |= {"call_s": call_s, "row_s": row_s, "max_rows": max_rows, "fit_error_ratio": None, "measured": measured}
        if preprocesses:
            facts["preprocess_row_s"] = None
    if learned["starts_s"]:
        starts = Starts(prior_s=0.0)
        starts.load(learned["starts_s"])
        facts |= {"startup_s": starts.startup_s(0.0), "measured": measured}
    return Profile.model_validate(facts) if "call_s" in facts else None
