"""What each deployment is called, and what each of its replicas asks of Ray; no Ray in it.

The composition root binds deployments with it, and what must know them without a running cluster reads the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.manifest import Manifest
from serve_app.settings import Pool

ROUTER = "Router"
HUB = "TelemetryHub"
HUB_CPUS = 0.05

# Freed activations stay with the process, in one arena: the heaps of further ones, which threads would get, end at
# 64 MB and give large blocks back; EfficientNet's batches of 16 and 32 take a quarter less time in one. Read by the C
# library when a process starts, so it must be its environment.
ALLOCATOR_ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "10000000000",
    "MALLOC_TOP_PAD_": "67108864",
}

# Torch's threads sleep between operations instead of spinning: beside a router on the same cores a replica of two
# threads took a quarter less CPU at part load, at half the p99, and lost nothing when saturated. Read at the start too.
THREADS_ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE"}


def deployment_name(manifest: Manifest, pool: Pool) -> str:
    """Name of the deployment of one model version on one pool."""
    return f"{manifest.name}-v{manifest.version}-{pool.name}"


def preprocessor_name(kind: str) -> str:
    """Name of the deployment of one kind of preprocessing."""
    return f"Preprocessor-{kind}"


def actor_options(pool: Pool) -> dict[str, Any]:
    """What each replica of a pool asks of Ray."""
    options: dict[str, Any] = {"num_cpus": pool.num_cpus, "num_gpus": pool.num_gpus, "resources": dict(pool.resources)}
    if pool.memory_bytes is not None:
        options["memory"] = pool.memory_bytes
    if pool.device == "cpu":
        allocator = ALLOCATOR_ENVIRONMENT if pool.allocator == "tuned" else {}
        options["runtime_env"] = {"env_vars": THREADS_ENVIRONMENT | allocator}
    return options


def ray_resources(options: Mapping[str, Any]) -> dict[str, float]:
    """Ray's names for what the options of an actor reserve, memory in bytes; what is 0 is not asked for."""
    named = {"CPU": options["num_cpus"], "GPU": options.get("num_gpus", 0), "memory": options.get("memory", 0)}
    return {name: float(amount) for name, amount in (named | options.get("resources", {})).items() if amount}
