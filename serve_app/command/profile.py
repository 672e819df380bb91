"""`headrace profile`: measures a model on this machine's pools, each in a process like a replica's."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from models.manifest import Manifest
from serve_app.profiles import Profile, beside, read_profiles, write_profiles
from serve_app.reservation import actor_options
from serve_app.selection import select_models
from serve_app.settings import Pool, SettingsError, load_settings


def profile(settings_path: Path, model: str, say: Callable[[str], None]) -> Path:
    """Measure every served version of a model on every pool that this machine can run, and keep the profiles.

    Args:
        settings_path: Settings file, or a Serve config file with settings inside.
        model: Its name there.
        say: Takes a line of progress.

    Returns:
        The file that holds the profiles now.

    Raises:
        SettingsError: The settings have no such model, or it cannot be measured; says why.
    """
    selected = {found.name: found for found in select_models(load_settings(settings_path))}
    if model not in selected:
        raise SettingsError(f"{settings_path} serves no model '{model}'; it serves: {', '.join(selected)}")
    found = selected[model]
    if not found.sources:
        raise SettingsError(f"model '{model}': {'; '.join(found.broken.values())}")
    path = beside(settings_path)
    profiles = read_profiles(path) if path.exists() else {}
    for version, source in found.sources.items():
        for pool in found.options.pools:
            if pool.device == "gpu" and not torch.cuda.is_available():
                say(f"{model} version {version}, pool {pool.name}: left out, this machine has no GPU")
                continue
            say(f"{model} version {version}, pool {pool.name}: starting")
            measured = _measure(settings_path, source.manifest, pool)
            say("  " + in_words(measured))
            profiles.setdefault(model, {}).setdefault(version, {})[pool.name] = measured
            write_profiles(path, profiles)
    return path


def in_words(profile: Profile) -> str:
    """A profile in one line."""
    largest_s = profile.call_s + profile.row_s * profile.max_rows
    rate = f"{profile.max_rows / largest_s:.4g} rows/s" if largest_s > 0.0 else "no time at all"
    return (
        f"a batch of n rows takes {profile.call_s * 1e3:.3g} + {profile.row_s * 1e3:.3g} n ms (within "
        f"{100 * profile.fit_error_ratio:.0f} %), {rate} in batches of {profile.max_rows}; "
        f"start {profile.startup_s:.1f} s, {profile.memory_bytes / 2**20:.0f} MiB"
    )


def _measure(settings_path: Path, manifest: Manifest, pool: Pool) -> Profile:
    environment = actor_options(pool).get("runtime_env", {}).get("env_vars", {})
    device = "cuda:0" if pool.device == "gpu" else "cpu"
    started_s = time.monotonic()
    names = [str(settings_path), manifest.name, manifest.version, pool.name, device]
    with subprocess.Popen(
        [sys.executable, "-m", "serve_app.command.profiling", *names],
        stdout=subprocess.PIPE,
        env={**os.environ, **environment},
    ) as child:
        steps = _steps(child)
        loaded = next(steps, None)
        startup_s = time.monotonic() - started_s
        found = next(steps, None)
    if loaded is None or found is None:
        raise SettingsError(
            f"model '{manifest.name}' version {manifest.version}, pool '{pool.name}': measuring ended with code "
            f"{child.returncode}; why is above"
        )
    kept = {name: value for name, value in found.items() if name in Profile.model_fields}
    threads = f"{pool.threads} threads" if pool.device == "cpu" else torch.cuda.get_device_name()
    machine = f"{platform.machine()}, {os.cpu_count()} CPUs, {threads}, torch {torch.__version__}"
    measured = f"{time.strftime('%Y-%m-%d')}, {machine}"
    return Profile.model_validate(kept | {"startup_s": startup_s, "measured": measured})


def _steps(child: subprocess.Popen[bytes]) -> Iterator[dict[str, object]]:
    """The child's lines of JSON; whatever else a library prints goes on to standard error."""
    assert child.stdout is not None
    for line in child.stdout:
        try:
            step = json.loads(line)
        except ValueError:
            sys.stderr.write(line.decode(errors="replace"))
            continue
        yield step
