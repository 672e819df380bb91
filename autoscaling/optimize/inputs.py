"""What people write for the optimizer: prices of machines, and what workloads must reach and were measured to take."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from autoscaling.policy.capacity import BatchCurve

NotNegative = Annotated[float, Field(ge=0.0)]
Positive = Annotated[float, Field(gt=0.0)]
Name = Annotated[str, Field(min_length=1, max_length=63)]
GroupName = Annotated[str, Field(min_length=1, max_length=50)]
"""What `NodeGroup.label` makes of it has at most 63 characters, as a cluster wants."""


class InputError(ValueError):
    """A file, or what it says, cannot be used; the sentence says where, why, and what to do."""


class Written(BaseModel):
    """Base of what people write: frozen, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Profile(Written):
    """What a replica takes on one kind of hardware, as `headrace profile` measures it."""

    call_s: NotNegative = Field(description="Time of a batch whatever its size, seconds.")
    row_s: NotNegative = Field(description="Time that each request adds, seconds.")
    max_batch: int = Field(ge=1, le=100_000, description="Requests in a batch.")
    startup_s: NotNegative = Field(description="From its decision until a replica serves on a node that is there.")
    memory_bytes: int = Field(ge=1)
    num_cpus: NotNegative = 1.0
    num_gpus: NotNegative = 0.0
    variation: Annotated[float, Field(ge=0.0, le=10.0)] = Field(
        0.1, description="Standard deviation of a batch's time over its mean; 0.1 is what the simulator assumes too."
    )

    @model_validator(mode="after")
    def _takes_time(self) -> Self:
        if self.call_s + self.row_s <= 0.0:
            raise ValueError("a batch must take some time: call_s or row_s must be more than 0")
        return self

    @property
    def curve(self) -> BatchCurve:
        """Time of its batches."""
        return BatchCurve(self.call_s, self.row_s, self.max_batch)

    @property
    def size(self) -> tuple[float, float, float]:
        """CPUs, memory in bytes, GPUs of a replica."""
        return self.num_cpus, float(self.memory_bytes), self.num_gpus


class Requirement(Written):
    """What a workload must reach, and what it takes on each kind of hardware."""

    slo_s: Positive = Field(description="Time in which a request is to be answered, seconds.")
    late_ratio: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(0.01, description="Share that may take longer.")
    burstiness: Annotated[float, Field(ge=1.0, le=1000.0)] = Field(
        1.0, description="Variance over mean of the arrivals of a second; 1: requests come independently."
    )
    min_replicas: int = Field(1, ge=0, description="0: none is kept while the forecast has no requests.")
    max_replicas: int = Field(1000, ge=1)
    spot: bool = Field(True, description="Whether spot nodes may run it.")
    profiles: dict[Name, Profile] = Field(min_length=1, description="By kind of hardware, see `NodeGroup.hardware`.")

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError(f"min_replicas {self.min_replicas} is over max_replicas {self.max_replicas}")
        return self


class Spot(Written):
    """The same nodes at a lower price, which their owner may take back."""

    price_per_hour: NotNegative
    reclaims_per_hour: NotNegative = Field(0.05, description="Of each node on its own.")
    outages_per_hour: NotNegative = Field(
        0.01, description="All spot nodes of the group at once; 0.01 is once in four days."
    )


class NodeGroup(Written):
    """Equal machines. Their CPUs and memory are what replicas may take of them, without what the system keeps."""

    name: GroupName
    hardware: Name = Field("cpu", description="Kind of hardware: profiles are found by it.")
    num_cpus: Positive
    memory_bytes: int = Field(ge=1)
    num_gpus: int = Field(0, ge=0)
    price_per_hour: NotNegative = Field(description="On demand.")
    spot: Spot | None = Field(None, description="None: there is no such market.")
    startup_s: NotNegative = Field(120.0, description="From the request for a node until replicas can start on it.")
    max_nodes: int = Field(100, ge=0, le=100_000, description="Of both markets together.")

    def label(self, market: str) -> str:
        """Name of its nodes of a market in a cluster: of `name` what a DNS label may have, such as c5-xlarge-spot."""
        plain = re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")
        if not plain[:1].isalpha():
            plain = f"nodes-{plain}".strip("-")
        return f"{plain}-spot" if market == "spot" else plain

    @property
    def room(self) -> tuple[float, float, float]:
        """CPUs, memory in bytes, GPUs of a node."""
        return self.num_cpus, float(self.memory_bytes), float(self.num_gpus)

    def num_fitting(self, profile: Profile) -> int:
        """Replicas that fit on an empty node."""
        fits = [int(room / size + 1e-9) for room, size in zip(self.room, profile.size, strict=True) if size > 0.0]
        return min(fits)

    def price_of(self, profile: Profile) -> float:
        """Price of a replica in an hour on demand, if its node is full of them."""
        return self.price_per_hour / self.num_fitting(profile)


class Serverless(Written):
    """A service that runs the model by the request, each on an instance of its own."""

    hardware: Name = Field("cpu", description="Kind of hardware: the time of a request is taken from that profile.")
    price_per_request: NotNegative = 0.0
    price_per_s: NotNegative = Field(0.0, description="Of a second in which a request runs.")
    startup_s: NotNegative = Field(2.0, description="Of an instance, before the model's own start.")
    keep_alive_s: NotNegative = Field(300.0, description="An instance goes after so long without a request.")
    max_memory_bytes: int | None = Field(None, ge=1, description="Of an instance; None: any.")
    max_instances: int = Field(1000, ge=1, description="That run at once; 1000 is a usual limit of services.")


class Prices(Written):
    """What machines cost; the unit of money is the user's."""

    currency: Name = "USD"
    groups: tuple[NodeGroup, ...] = Field(min_length=1)
    serverless: Serverless | None = None
    workloads: dict[Name, Requirement] = Field(
        default_factory=dict, description="What each must reach; may come from the platform's settings instead."
    )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        names = [group.name for group in self.groups]
        if len(set(names)) != len(names):
            raise ValueError(f"names of groups must differ: {names}")
        # KubeRay calls the head's own group so.
        labels = ["headgroup"]
        for group in self.groups:
            labels += [group.label("on-demand"), *([group.label("spot")] if group.spot is not None else [])]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"names of groups must differ as labels in a cluster, too; rename one of {twice}")
        return self


TYPICAL_PRICES = Prices(
    groups=(
        NodeGroup(
            name="cpu-8",
            num_cpus=7.5,
            memory_bytes=28 * 2**30,
            price_per_hour=0.48,
            spot=Spot(price_per_hour=0.19),
        ),
        NodeGroup(
            name="gpu-8",
            hardware="gpu",
            num_cpus=7.5,
            memory_bytes=28 * 2**30,
            num_gpus=1,
            price_per_hour=1.52,
            spot=Spot(price_per_hour=0.61, reclaims_per_hour=0.1),
            startup_s=180.0,
        ),
    )
)
"""Where no prices are given: the nodes of deploy/eks-cpu-gpu-spot, 8 CPUs and 32 GiB (m7i.2xlarge), or an A10G beside
them (g5.2xlarge), in US dollars. Good for a first answer only."""


def read_prices(path: Path) -> Prices:
    """Read a YAML file of prices.

    Raises:
        InputError: It cannot be read or used.
    """
    try:
        data = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that there is not, such as 2026-13-45
        raise InputError(f"{path}: is not YAML: " + " ".join(str(error).split())) from error
    return make(Prices, data, str(path))


Model = TypeVar("Model", bound=Written)


def make(cls: type[Model], data: Any, where: str) -> Model:
    """Make one of these of plain data.

    Raises:
        InputError: A key is unknown, or a value out of its bounds; names each of them.
    """
    try:
        return cls.model_validate(data)
    except ValidationError as error:
        said = []
        for fault in error.errors(include_url=False):
            key = ".".join(str(part) for part in fault["loc"]) or "as a whole"
            unknown = fault["type"] == "extra_forbidden"
            said.append(f"{key}: {'unknown key' if unknown else fault['msg'].removeprefix('Value error, ')}")
        raise InputError(f"{where}: {'; '.join(said)}") from error
