"""What a controller decides to do; `operator.py` does it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from tests.kuberay.fake_api.errors import Object


class Create(NamedTuple):
    """POST an object."""

    item: Object


class Replace(NamedTuple):
    """PUT an object, all but its status."""

    item: Object


class SetStatus(NamedTuple):
    """PUT an object's status."""

    item: Object


class Delete(NamedTuple):
    """DELETE an object."""

    item: Object


class Tell(NamedTuple):
    """Write an event.

    Attributes:
        regarding: Whom it is about.
        kind: `Normal` or `Warning`.
        reason: A word.
        message: A sentence.
        by: Who tells it; kubelet writes the old form of events, all others the new.
    """

    regarding: Object
    kind: str
    reason: str
    message: str
    by: str = "rayservice-controller"


class Send(NamedTuple):
    """PUT a configuration to the Serve of a cluster."""

    cluster: str
    config: str
    apps: dict[str, Object]


class Doom(NamedTuple):
    """Remember when a cluster that nobody needs is to be deleted; forgotten when the operator restarts."""

    cluster: str
    when: datetime


Action = Create | Replace | SetStatus | Delete | Tell | Send | Doom
