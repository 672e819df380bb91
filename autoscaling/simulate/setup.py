"""Every option of a simulation but its arrivals and its policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Seconds = Annotated[float, Field(ge=0.0)]
Positive = Annotated[float, Field(gt=0.0)]


class SetupError(ValueError):
    """Options that cannot be; names the option, what is wrong with it, and what was given."""


class Setup(BaseModel):
    """What is simulated. A field is an option of the same name, `startup_s` is `--startup-s`.

    Attributes:
        call_s: Time of a batch whatever its size, seconds.
        row_s: Time that each of its requests adds, seconds.
        max_batch: Requests in a batch.
        lanes: Batches that a replica runs at once, none slowed by the others; with `max_batch` 1 a plant that gains
            nothing by batching.
        variation: Standard deviation of a batch's time over its mean.
        startup_s: Time from the decision for a replica until it serves, on a node that is there, seconds.
        startup_variation: Standard deviation over mean of these times, lognormal; of nodes' too.
        slo_s: A request that takes longer is late, seconds.
        late_ratio: Share of the requests that may be late.
        min_replicas: Bound.
        max_replicas: Bound.
        initial_replicas: Ready at the start. None: what the first minute takes, and two more.
        score_from_s: What comes before warms up and is not scored, seconds.
        price: Of a replica in an hour; the unit of money is the user's.
        node_price: Of a node in an hour, beside the price of its replicas.
        routing: `central`: one queue that free replicas empty. `p2c`: a request is sent to one of two replicas.
        max_ongoing: Requests that a replica may hold with `p2c`. None: two full batches a lane.
        max_queued: A request that would have to wait behind so many is refused. None: none is.
        crash_per_hour: Crashes of a serving replica in an hour.
        reclaim_per_hour: Reclaims in an hour, each of a share of all replicas.
        reclaim_share: That share.
        reclaim_notice_s: Time between a reclaim's notice and its loss, seconds.
        replicas_per_node: That fit on a node. None: nodes are not simulated.
        node_startup_s: Time from the request for a node until replicas can start on it, seconds.
        node_idle_s: An empty node goes after so long, seconds.
        goal: Options of the platform's own policy beside those above, see `autoscaling.policy.planner.Goal`.
        ray: Options of Ray's `AutoscalingConfig`, for policies that Ray calls.
        kwargs: What a policy class is constructed with.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    call_s: Seconds = 0.20
    row_s: Seconds = 0.05
    max_batch: Annotated[int, Field(ge=1, le=100_000)] = 8
    lanes: Annotated[int, Field(ge=1, le=10_000)] = 1
    variation: Annotated[float, Field(ge=0.0, le=10.0)] = 0.1
    startup_s: Seconds = 10.0
    startup_variation: Annotated[float, Field(ge=0.0, le=10.0)] = 0.0
    slo_s: Positive = 1.5
    late_ratio: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.01
    min_replicas: Annotated[int, Field(ge=0)] = 1
    max_replicas: Annotated[int, Field(ge=1, le=100_000)] = 60
    initial_replicas: Annotated[int, Field(ge=0)] | None = None
    score_from_s: Seconds = 600.0
    price: Seconds = 1.0
    node_price: Seconds = 0.0
    routing: Literal["central", "p2c"] = "central"
    max_ongoing: Annotated[int, Field(ge=1)] | None = None
    max_queued: Annotated[int, Field(ge=0)] | None = None
    crash_per_hour: Annotated[float, Field(ge=0.0, le=3600.0)] = 0.0
    reclaim_per_hour: Annotated[float, Field(ge=0.0, le=3600.0)] = 0.0
    reclaim_share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    reclaim_notice_s: Seconds = 120.0
    replicas_per_node: Annotated[int, Field(ge=1)] | None = None
    node_startup_s: Seconds = 60.0
    node_idle_s: Seconds = 60.0
    goal: dict[str, Any] = {}
    ray: dict[str, Any] = {}
    kwargs: dict[str, Any] = {}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.call_s + self.row_s <= 0.0:
            raise ValueError("a batch must take some time: one part of --curve must be more than 0")
        if self.min_replicas > self.max_replicas:
            raise ValueError(f"--min-replicas {self.min_replicas} is more than --max-replicas {self.max_replicas}")
        if self.initial_replicas is not None and self.initial_replicas > self.max_replicas:
            raise ValueError(f"--initial-replicas {self.initial_replicas} is more than --max-replicas")
        if self.max_ongoing is not None and self.routing != "p2c":
            raise ValueError("--max-ongoing is a limit of --routing p2c: replicas of a central queue hold one batch")
        return self

    @property
    def lead_s(self) -> float:
        """The longest that a replica is likely to take to start, on a new node if there are nodes, seconds."""
        node_s = self.node_startup_s if self.replicas_per_node is not None else 0.0
        return (self.startup_s + node_s) * (1.0 + 2.0 * self.startup_variation)


def make_setup(values: Mapping[str, Any]) -> Setup:
    """Make a setup of its fields, numbers or what is written of them.

    Raises:
        SetupError: A field is unknown or out of its bounds.
    """
    try:
        return Setup.model_validate(values)
    except ValidationError as error:
        raise SetupError("; ".join(_sentence(dict(fault)) for fault in error.errors())) from error


def option(field: str) -> str:
    """The option of a field."""
    return "--curve" if field in ("call_s", "row_s") else "--" + field.replace("_", "-")


def _sentence(fault: Mapping[str, Any]) -> str:
    message = fault["msg"].removeprefix("Value error, ")
    if not fault["loc"]:
        return str(message)
    if fault["type"] == "extra_forbidden":
        return f"{fault['loc'][0]} is no option of a simulation"
    return f"{option(str(fault['loc'][0]))}: {message[0].lower()}{message[1:]}, got {fault['input']!r}"
