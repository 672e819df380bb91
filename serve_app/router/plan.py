"""What the router is built with: every model, version and pool, and how each is reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.source import ModelSource
from serve_app.dispatch.limits import DispatchLimits
from serve_app.ingress.dataplane import ServedModel
from serve_app.replica.host import InFront
from serve_app.settings import Pool

if TYPE_CHECKING:
    from ray.serve.handle import DeploymentHandle


@dataclass(frozen=True, slots=True)
class RemotePool:
    """A pool with deployments of its own.

    Attributes:
        pool: Its settings.
        entry: Handle of the deployment that a request goes to first (preprocessing, or the model itself).
        model: Handle of the model's deployment.
        target: Name of this pool's stage, sent along with each call; the model's deployment has it.
        needed: Handles of those two that always have a replica: the others scale to zero.
        in_router: Puts the preprocessing, which runs in the router's process, before the call; None: it does not.
        is_direct: Calls to the entry go over sockets.
        counted_slo_s: SLO by which requests are counted for scaling policies, seconds; None: none wants to know.
    """

    pool: Pool
    entry: DeploymentHandle[Any]
    model: DeploymentHandle[Any]
    target: str
    needed: tuple[DeploymentHandle[Any], ...]
    in_router: InFront | None = None
    is_direct: bool = False
    counted_slo_s: float | None = None


@dataclass(frozen=True, slots=True)
class LocalPool:
    """A pool that is the router's own process."""

    pool: Pool
    in_front: InFront | None = None


@dataclass(frozen=True, slots=True)
class VersionPlan:
    """One served version of a model."""

    served: ServedModel
    source: ModelSource
    pools: tuple[RemotePool | LocalPool, ...]
    limits: DispatchLimits
    max_rows_per_request: int


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """One served model.

    Attributes:
        versions: Version to its plan, oldest first.
        labels: Label to version, `latest` included.
        default: The version that answers when a request names none.
        broken: Version to the reason why it cannot even be described (its manifest is wrong).
    """

    name: str
    versions: Mapping[str, VersionPlan]
    labels: Mapping[str, str]
    default: str
    broken: Mapping[str, str]
