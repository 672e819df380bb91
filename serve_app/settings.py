"""Every option of the platform: typed, frozen, with its unit in its name, read once.

One value of `Settings` is the truth of a running platform. It comes from a settings file, or inline from the `args`
of a Serve config file; environment variables `HEADRACE_<OPTION>` (JSON) override top-level options.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from models.manifest import Name, Strict, describe
from models.model import Precision
from serve_app.scaling import Autoscaling

BUNDLED_ROOT = "package://models/catalog"
ENVIRONMENT_PREFIX = "HEADRACE_"

ModelPlacement = Literal["own", "router"]
PreprocessingPlacement = Literal["own", "replica", "router"]


class SettingsError(Exception):
    """The settings cannot be used; the sentence says where and why."""


class Replicated(Strict):
    """A deployment whose number of replicas is fixed, or follows its load."""

    num_replicas: int = Field(1, ge=1, description="Fixed number; ignored where `autoscaling` is set.")
    autoscaling: Autoscaling | None = None

    @property
    def min_replicas(self) -> int:
        """Fewest replicas, those at rest."""
        return self.autoscaling.min_replicas if self.autoscaling else self.num_replicas

    @property
    def max_replicas(self) -> int:
        """Most replicas that can run at once."""
        return self.autoscaling.max_replicas if self.autoscaling else self.num_replicas


class Pool(Replicated):
    """Replicas of one model version on one kind of hardware."""

    name: Name = "cpu"
    device: Literal["cpu", "gpu"] = "cpu"
    num_cpus: float = Field(0.25, ge=0, description="CPUs that Ray reserves for each replica.")
    num_gpus: float = Field(0.0, ge=0, description="GPUs that Ray reserves for each replica; a gpu pool needs some.")
    memory_bytes: int | None = Field(None, ge=1, description="Memory that Ray reserves for each replica.")
    resources: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict, description="Custom Ray resources for each replica."
    )
    num_threads: int | None = Field(
        None, ge=1, description="Torch's threads in each replica; None: one for each whole CPU, at least one."
    )
    precision: Precision | None = Field(None, description="None: the manifest's first.")
    compile: bool = Field(False, description="torch.compile at load: 11 to 21 s for 1.0 to 1.3 times the speed.")
    allocator: Literal["tuned", "system"] = Field(
        "tuned",
        description="tuned: CPU replicas keep freed activations instead of giving them back to the kernel at every "
        "call (EfficientNet, batch 32: 1768 to 561 ms); costs resident memory.",
    )
    start: Literal["auto", "always"] = Field(
        "auto", description="A gpu pool under `auto` starts only where the cluster has a GPU."
    )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if (self.device == "gpu") != (self.num_gpus > 0):
            raise ValueError(f"pool '{self.name}': device gpu and num_gpus go together")
        if self.num_threads is not None and self.num_threads > max(1, int(self.num_cpus)):
            raise ValueError(
                f"pool '{self.name}': {self.num_threads} threads need num_cpus of at least {self.num_threads}, "
                f"it has {self.num_cpus:g}; more threads than cores makes every replica slower"
            )
        return self

    @property
    def threads(self) -> int:
        """Torch's threads in each replica."""
        return self.num_threads or max(1, int(self.num_cpus))


class Limits(Strict):
    """How much may wait, and how much travels together, between the router and one model version."""

    max_queued_requests: int = Field(2048, ge=1, description="More are answered 429 with the time to come back.")
    max_rows_per_request: int = Field(4096, ge=1, description="A client batch above this is answered 413.")
    max_calls_per_replica: int = Field(
        3, ge=1, description="Serve calls under way to each replica: one runs, one travels, one waits to be sorted."
    )
    max_call_requests: int = Field(256, ge=1, description="Requests in one Serve call.")
    max_wait_s: float = Field(
        60.0, gt=0, description="A request without a deadline is answered 504 after this, so that none waits for ever."
    )
    max_call_bytes: int = Field(
        16_000_000, ge=1_000, description="Tensor data in one Serve call; a request that is larger goes alone."
    )
    max_value_bytes: int = Field(
        1_000_000,
        ge=1_000,
        le=3_500_000,
        description="A call with more, or with an answer of more, goes by reference, through shared memory.",
    )


class Model(Strict):
    """One served model."""

    name: Name
    versions: tuple[str, ...] = Field((), description="Versions or labels; empty: the default one.")
    labels: dict[str, str] = Field(default_factory=dict, description="Label to version; wins over the repository's.")
    placement: ModelPlacement = Field(
        "own", description="router: in the router's process, for a model whose compute is less than a hop (about 1 ms)."
    )
    preprocessing: PreprocessingPlacement | None = Field(
        None,
        description="None: with its model; decoding of images for a model with a gpu pool: in a deployment of its own.",
    )
    pools: tuple[Pool, ...] = Field((Pool(),), min_length=1)
    limits: Limits = Limits()
    files: dict[str, str] = Field(
        default_factory=dict, description="Manifest file entry to another URI of the same content (sha256 is kept)."
    )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        names = [pool.name for pool in self.pools]
        if len(set(names)) != len(names):
            raise ValueError(f"model '{self.name}': pool names must differ: {names}")
        if self.placement == "router" and self.preprocessing == "own":
            raise ValueError(f"model '{self.name}': a model in the router's process has its preprocessing there too")
        if self.placement == "router" and any(pool.device == "gpu" for pool in self.pools):
            raise ValueError(f"model '{self.name}': a gpu pool needs placement own")
        return self


class Router(Replicated):
    """The router deployment: HTTP ingress, model choice, dispatch.

    Its `autoscaling` goes by requests, and by the CPU time that they take in its process.
    """

    num_cpus: float = Field(0.25, ge=0)
    max_body_bytes: int = Field(256 * 2**20, ge=1024, description="HTTP body, after decompression.")
    default_budget_s: float | None = Field(None, gt=0, description="Deadline of requests that name none.")

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.autoscaling is not None and self.autoscaling.policy == "ray":
            raise ValueError(
                "autoscaling.policy ray counts calls that Serve carries, and inference takes a shortcut past it; "
                "remove it, the router scales by policy headrace"
            )
        if self.autoscaling is not None and self.autoscaling.min_replicas == 0:
            raise ValueError("autoscaling.min_replicas must be 1 or more: without a router nothing hears a request")
        return self


class Preprocessors(Replicated):
    """The deployments of preprocessing that lives on its own, one for each kind."""

    num_cpus: float = Field(0.25, ge=0)


class Settings(Strict):
    """The whole platform."""

    repositories: tuple[str, ...] = Field(
        (BUNDLED_ROOT,), min_length=1, description="Model repository roots, in order."
    )
    cache_dir: str = Field("~/.cache/headrace", description="Where remote model files are kept, by content hash.")
    models: tuple[Model, ...] = Field((), description="Empty: every model of the repositories.")
    profiles: str | None = Field(
        None, description="File that `headrace profile` wrote: what scaling assumes of a model until it has seen it."
    )
    transport: Literal["direct", "serve"] = Field(
        "direct",
        description="direct: calls between stages go over sockets of their own, at a tenth of the cost; serve: by "
        "Serve's handles, as those to a deployment with autoscaling policy ray always do.",
    )
    drain_s: float = Field(
        30.0, gt=0, description="A replica that is to end first finishes what it has begun, for at most this long."
    )
    nodes_ahead: bool = Field(
        False,
        description="Ask Ray's autoscaler for nodes an hour before the forecast fills them; see docs/autoscaling.md. "
        "Nothing else in the cluster may call `request_resources`, and `max_replicas` must fit on the node groups at "
        "their largest: Ray drops a request for more as a whole.",
    )
    router: Router = Router()
    preprocessors: Preprocessors = Preprocessors()

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        names = [model.name for model in self.models]
        if len(set(names)) != len(names):
            raise ValueError(f"model names must differ: {sorted({n for n in names if names.count(n) > 1})} repeat")
        return self


def parse_settings(data: Mapping[str, Any], where: str, environ: Mapping[str, str] | None = None) -> Settings:
    """Make settings of plain data.

    Args:
        where: What the data came from, for the error.
        environ: Environment whose `HEADRACE_<OPTION>` entries (JSON) replace top-level options.

    Raises:
        SettingsError: Unknown key, wrong type, or options that contradict each other.
    """
    merged = dict(data)
    for option in Settings.model_fields:
        variable = ENVIRONMENT_PREFIX + option.upper()
        text = (environ or {}).get(variable)
        if text is not None:
            where += f", with {variable} of the environment"
            try:
                merged[option] = json.loads(text)
            except ValueError:
                merged[option] = text
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise SettingsError(f"{where}: {describe(error)}") from error


def load_settings(path: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """Read a settings file, or the settings inside a Serve config file.

    Args:
        path: YAML: either the settings themselves, or a Serve config whose first application has them in `args`.
        environ: See `parse_settings`; None: the process's environment.

    Raises:
        SettingsError: The file cannot be read, or its content cannot be used.
    """
    environ = os.environ if environ is None else environ
    try:
        data = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    # ValueError: a date that there is not.
    except (ValueError, yaml.YAMLError) as error:
        raise SettingsError(f"{path}: is not YAML: " + " ".join(str(error).split())) from error
    if not isinstance(data, dict):
        raise SettingsError(f"{path}: must be a mapping of options")
    if "applications" in data:
        try:
            data = data["applications"][0].get("args") or {}
        except (AttributeError, IndexError, KeyError, TypeError) as error:
            raise SettingsError(f"{path}: applications must be a list that begins with the platform's") from error
    if not isinstance(data, dict):
        raise SettingsError(f"{path}: args must be a mapping of options")
    return resolve_arguments(data, str(path), environ, path.parent)


def resolve_arguments(
    arguments: Mapping[str, Any], where: str, environ: Mapping[str, str], folder: Path = Path()
) -> Settings:
    """Make settings of the arguments of `build_app`: inline options, or `settings_file` alone."""
    if "settings_file" not in arguments:
        return parse_settings(arguments, where, environ)
    others = sorted(set(arguments) - {"settings_file"})
    if others:
        raise SettingsError(f"{where}: settings_file stands alone, remove {', '.join(others)}")
    return load_settings(folder / str(arguments["settings_file"]), environ)
