"""What is wrong with settings before anything runs: pure findings over settings, manifests and a machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import psutil

from serve_app.reservation import HUB_CPUS
from serve_app.selection import Selected, preprocessing_placement, select_models
from serve_app.settings import Pool, Settings, SettingsError, load_settings

Severity = Literal["error", "warning", "info"]


class Finding(NamedTuple):
    """One thing that is wrong, or worth knowing.

    Attributes:
        id: Name of the check.
        path: Where in the settings, `models.0.pools.1.precision`; "" for the whole.
    """

    id: str
    severity: Severity
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.path or 'settings'}: {self.message} [{self.id}]"


@dataclass(frozen=True, slots=True)
class Machine:
    """What one machine has."""

    num_cores: int
    num_gpus: int
    memory_bytes: int


class _Found(NamedTuple):
    """A model of the settings, where in them it is, and what the repositories have for it."""

    path: str
    model: Selected


def this_machine() -> Machine:
    """The machine that this process runs on."""
    num_gpus = len(list(Path("/dev").glob("nvidia[0-9]*")))
    return Machine(os.cpu_count() or 1, num_gpus, psutil.virtual_memory().total)


def check_file(path: Path, machine: Machine) -> list[Finding]:
    """Check a settings file, or the settings inside a Serve config file."""
    try:
        settings = load_settings(path)
    except SettingsError as error:
        return [Finding("settings", "error", "", str(error))]
    return check_settings(settings, machine)


def check_settings(settings: Settings, machine: Machine) -> list[Finding]:
    """Check settings against the model repositories and one machine; errors first."""
    findings: list[Finding] = []
    models = list(_select(settings, findings))
    for found in models:
        findings += _check_model(found)
        for index, pool in enumerate(found.model.options.pools):
            findings += _check_pool(settings, found, f"{found.path}.pools.{index}", pool, machine)
        findings += _check_some_pool_starts(found, machine)
    findings += _check_machine(settings, models, machine)
    rank = {"error": 0, "warning": 1, "info": 2}
    return sorted(findings, key=lambda finding: rank[finding.severity])


def _select(settings: Settings, findings: list[Finding]) -> Iterator[_Found]:
    """Find each model on its own, so that one that does not exist hides no other."""
    try:
        if not settings.models:
            yield from (_Found(f"models.{model.name}", model) for model in select_models(settings))
            return
    except SettingsError as error:
        findings.append(Finding("repositories", "error", "repositories", str(error)))
        return
    for index, options in enumerate(settings.models):
        try:
            (model,) = select_models(settings.model_copy(update={"models": (options,)}))
        except SettingsError as error:
            findings.append(Finding("model", "error", f"models.{index}", str(error)))
        else:
            yield _Found(f"models.{index}", model)


def _check_model(found: _Found) -> Iterator[Finding]:
    path, model = found
    options = model.options
    for version, reason in model.broken.items():
        yield Finding("manifest", "error", path, f"version {version} cannot be served: {reason}")
    served = {*model.sources, *model.broken}
    for label, version in options.labels.items():
        if version not in served:
            message = f"names version {version}, which is not served (served: {', '.join(sorted(served))})"
            yield Finding("label-unserved", "warning", f"{path}.labels.{label}", message)
    for version, source in model.sources.items():
        files = source.manifest.files
        for entry in options.files:
            if entry not in files:
                message = f"version {version} has no file '{entry}' (it has: {', '.join(files) or 'none'})"
                yield Finding("file-unknown", "error", f"{path}.files.{entry}", message)
        if options.preprocessing is not None and source.manifest.preprocessing is None:
            message = f"version {version} has no preprocessing, so this does nothing"
            yield Finding("preprocessing-unused", "warning", f"{path}.preprocessing", message)
    if options.placement == "router" and len(options.pools) > 1:
        message = f"the router's process would hold the model {len(options.pools)} times; one pool is enough"
        yield Finding("router-pools", "warning", f"{path}.pools", message)


def _check_pool(settings: Settings, found: _Found, path: str, pool: Pool, machine: Machine) -> Iterator[Finding]:
    options = found.model.options
    for version, source in found.model.sources.items():
        allowed = source.manifest.compute.precisions
        if pool.precision is not None and pool.precision not in allowed:
            message = f"version {version} does not allow {pool.precision}; it allows {', '.join(allowed)}"
            yield Finding("precision", "error", f"{path}.precision", message)
    if options.placement == "router":
        if pool.autoscaling is not None:
            message = "a model in the router's process scales with the router, this does nothing"
            yield Finding("autoscaling-router", "warning", f"{path}.autoscaling", message)
        elif pool.num_replicas > 1:
            message = "a model in the router's process has one copy in each router, this does nothing"
            yield Finding("replicas-router", "warning", f"{path}.num_replicas", message)
    elif pool.autoscaling is not None:
        yield from _check_autoscaling(settings, found, path, pool)
    if pool.device == "gpu" and machine.num_gpus == 0:
        severity: Severity = "warning" if pool.start == "always" else "info"
        what = "its replicas wait for one" if pool.start == "always" else "the pool starts only where there is one"
        yield Finding("gpu-absent", severity, f"{path}.device", f"this machine has no GPU: {what}")


def _check_autoscaling(settings: Settings, found: _Found, path: str, pool: Pool) -> Iterator[Finding]:
    scaling = pool.autoscaling
    if scaling is None:
        return
    if "num_replicas" in pool.model_fields_set:
        yield Finding("replicas-ignored", "warning", f"{path}.num_replicas", "autoscaling decides, this does nothing")
    # The dispatchers keep no more calls under way, so a target at or above that is never exceeded.
    placements = {
        preprocessing_placement(found.model.options, source.manifest) for source in found.model.sources.values()
    }
    callers = (settings.preprocessors if "own" in placements else settings.router).max_replicas
    most = callers * found.model.options.limits.max_calls_per_replica
    is_ray = scaling.policy == "ray"
    if is_ray and scaling.max_replicas > scaling.min_replicas and scaling.target_ongoing_requests >= most:
        message = f"{most} calls per replica is the most that can be under way, so the pool never grows; set it lower"
        yield Finding("target-unreachable", "warning", f"{path}.autoscaling.target_ongoing_requests", message)


def _check_some_pool_starts(found: _Found, machine: Machine) -> Iterator[Finding]:
    pools = found.model.options.pools
    if machine.num_gpus == 0 and all(pool.device == "gpu" and pool.start == "auto" for pool in pools):
        message = f"no pool of '{found.model.name}' starts on a machine without a GPU, so it cannot answer"
        yield Finding("no-pool", "warning", f"{found.path}.pools", message)


class _Load(NamedTuple):
    """A pool, or another deployment, with what it takes of a machine when it starts."""

    name: str
    threads: int
    num_cpus: float
    memory_bytes: int


def _check_machine(settings: Settings, models: Sequence[_Found], machine: Machine) -> Iterator[Finding]:
    """Compare what everything takes together with what the machine has."""
    pools = [load for found in models for load in _pool_loads(settings, found)]
    threads = sum(load.threads for load in pools)
    if threads > machine.num_cores:
        names = ", ".join(f"{load.name} {load.threads}" for load in pools if load.threads)
        message = f"{threads} compute threads for the {machine.num_cores} cores of this machine: {names}"
        yield Finding("threads-over-cores", "warning", "models", message)
    router, before = settings.router, settings.preprocessors
    others = [_Load("router", 0, router.min_replicas * router.num_cpus, 0), _Load("metrics", 0, HUB_CPUS, 0)]
    kinds = {
        source.manifest.preprocessing.kind
        for found in models
        for source in found.model.sources.values()
        if source.manifest.preprocessing and preprocessing_placement(found.model.options, source.manifest) == "own"
    }
    others += [_Load(f"preprocessor {kind}", 0, before.min_replicas * before.num_cpus, 0) for kind in sorted(kinds)]
    cpus = sum(load.num_cpus for load in (*pools, *others))
    if cpus > machine.num_cores:
        names = ", ".join(f"{load.name} {load.num_cpus:g}" for load in (*pools, *others) if load.num_cpus)
        message = (
            f"num_cpus adds up to {cpus:g}, this machine has {machine.num_cores}; on it some replicas wait: {names}"
        )
        yield Finding("cpus-over-cores", "warning", "models", message)
    memory_bytes = sum(load.memory_bytes for load in pools)
    if memory_bytes > machine.memory_bytes:
        message = f"memory_bytes adds up to {memory_bytes}, this machine has {machine.memory_bytes}"
        yield Finding("memory-over-machine", "warning", "models", message)


def _pool_loads(settings: Settings, found: _Found) -> Iterator[_Load]:
    options = found.model.options
    for version, source in found.model.sources.items():
        for pool in options.pools:
            name = f"{options.name}/{version}/{pool.name}"
            threads = pool.threads if pool.device == "cpu" and source.manifest.backend != "echo" else 0
            if options.placement == "router":
                yield _Load(name, settings.router.min_replicas * threads, 0.0, 0)
            elif pool.device == "cpu" or pool.start == "always":
                num = pool.min_replicas
                yield _Load(name, num * threads, num * pool.num_cpus, num * (pool.memory_bytes or 0))
