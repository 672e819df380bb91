"""The pools of one model version as the router sees them: how to reach each, and how each is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from models.errors import ModelUnavailable
from serve_app.dispatch.dispatcher import Dispatcher
from serve_app.dispatch.edge import NOT_STARTED, LocalEdge
from serve_app.dispatch.load import LoadCount
from serve_app.replica.host import ModelStatus


class PoolRoute:
    """One pool: its dispatcher, and the status that it last gave.

    Args:
        name: The pool's name.
        dispatcher: The edge to it.
        num_replicas: Counts the live replicas of those of its deployments that are never without; 0 if any has none.
        needs: What each of its replicas asks of Ray, in words.
        may_be_empty: Its model scales to zero, so having no replica of it is no fault.
        entry: The preprocessing that runs in the router's process before the call; None: there is none.
        count: Counts what it is asked, for its scaling policy; None: it has none that wants to know.
    """

    def __init__(
        self,
        name: str,
        dispatcher: Dispatcher,
        num_replicas: Callable[[], int],
        needs: str,
        may_be_empty: bool = False,
        entry: LocalEdge | None = None,
        count: LoadCount | None = None,
    ) -> None:
        self.name = name
        self.dispatcher = dispatcher
        self.was_ready = may_be_empty
        self.num_replicas = num_replicas
        self.count = count
        self._needs = needs
        self._entry = entry
        self._of_none = ModelStatus("READY") if may_be_empty else ModelStatus("LOADING", "no replica has answered yet")
        self._status = self._of_none

    def update(self, statuses: Sequence[ModelStatus]) -> None:
        """Take what its replicas say: one that can answer is enough. Of none that is left, nothing is known."""
        first = statuses[0] if statuses else self._of_none
        self._status = next((status for status in statuses if status.state == "READY"), first)
        self.was_ready = self.was_ready or self._status.state == "READY"

    @property
    def failed(self) -> bool:
        """Whether it has failed for good."""
        return self._status.state == "UNAVAILABLE"

    def reason_not_ready(self) -> str:
        """Why it cannot answer now; empty: it can."""
        if self.failed:
            return self._status.reason
        if self._entry is not None and self._entry.stage is None:
            return self._entry.failure.reason if self._entry.failure else NOT_STARTED
        if self.num_replicas() == 0:
            return f"no replica is running; each needs {self._needs}"
        return "" if self._status.state == "READY" else self._status.reason

    def accepts(self) -> bool:
        """Whether a request may queue: it can answer, or it could before and Serve is replacing its replicas."""
        return not self.failed and (self.was_ready or self._status.state == "READY")


def choose_pool(pools: Sequence[PoolRoute], model: str, version: str) -> PoolRoute:
    """Choose the pool with the earliest predicted finish.

    A pool whose replicas are being replaced comes last: its queue is empty, so it would seem to be the fastest.

    Raises:
        ModelUnavailable: None accepts; says why for each.
    """
    if len(pools) == 1 and pools[0].accepts():
        return pools[0]
    accepting = [pool for pool in pools if pool.accepts()]
    if not accepting:
        raise ModelUnavailable(model, version, reasons(pools) or "it is being started")
    ready = [pool for pool in accepting if not pool.reason_not_ready()]
    return min(ready or accepting, key=_predicted_finish_s)


def reasons(pools: Sequence[PoolRoute]) -> str:
    """Why no pool can answer, each by name; empty if one can."""
    found = [(pool.name, pool.reason_not_ready()) for pool in pools]
    if not all(reason for _, reason in found):
        return ""
    return found[0][1] if len(found) == 1 else "; ".join(f"pool {name}: {reason}" for name, reason in found)


def _predicted_finish_s(pool: PoolRoute) -> float:
    own_s = pool.dispatcher.latency.predict_s(1) or 0.0
    return (pool.dispatcher.predicted_wait_s() or 0.0) + own_s
