"""All that a policy learns of one deployment: kept in the cluster, taken up by the next policy, taught by a history."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from autoscaling.policy.capacity import BatchCurve
from autoscaling.policy.explain import DecisionLog
from autoscaling.policy.hour_ahead.forecaster import HourAhead
from autoscaling.policy.losses import Losses
from autoscaling.policy.memory import SEASONS, STATUS, Memory, in_cluster, other_versions, read
from autoscaling.policy.planner import Planner
from autoscaling.policy.season import Season
from autoscaling.policy.starts import Starts
from autoscaling.policy.status import Status

logger = logging.getLogger("ray.serve")

RECENT_S = 3600
"""Of a history, so many of the newest seconds are gone through; all of it is kept for the season."""

SLOW_KEEP_S = 1800.0
"""Weeks of rates are kept once in so long."""

KEEP_S = 60.0
"""The rest is kept once in so long, and with every change of the number."""

TELL_S = 5.0
"""What an operator is told is written once in so long, likewise."""


class Learned:
    """What is known of a deployment's arrivals, starts and losses, and what was decided.

    Args:
        planner: Fresh.
        startup_s: Time of a start until one was seen, seconds.

    Attributes:
        is_familiar: It was taken over from an earlier policy or a history.
    """

    def __init__(self, planner: Planner, startup_s: float) -> None:
        self.planner = planner
        self.starts = Starts(startup_s)
        self.losses = Losses()
        self.season = Season()
        self.hourly = HourAhead()
        self.log = DecisionLog()
        self.status = Status()
        self.is_familiar = False
        self._fast: Memory | None = None
        self._slow: Memory | None = None
        self._told: Memory | None = None
        self._is_open = False
        self._kept_s = self._slow_kept_s = self._told_s = 0.0

    def add_arrivals(self, epoch_s: float, arrived: Sequence[float]) -> None:
        """Take the arrivals of the newest seconds for what repeats by the clock; the last one ended at `epoch_s`."""
        for age_s, count in zip(range(len(arrived) - 1, -1, -1), arrived, strict=True):
            self.season.add(epoch_s - age_s, count)
            self.hourly.take(epoch_s - age_s, count)

    def hear_curve(self, curve: BatchCurve) -> None:
        """Take what a batch takes, as replicas learned it."""
        self.planner.curve = self.status.curve = curve

    def study(self, start_s: float, counts: Sequence[float]) -> None:
        """Take the arrivals of before, days of them or minutes.

        Args:
            start_s: The first second, since the epoch.
            counts: Of each second.
        """
        history = np.asarray(counts, dtype=np.float64)
        self.season.load(start_s, history)
        self.hourly.load(start_s, history)
        lead_s = self.starts.startup_s(0.0)
        recent = history[-RECENT_S:]
        first_s = start_s + len(history) - len(recent)
        self.planner.learn(recent.tolist(), lead_s, lambda second: self.season.ratio(first_s + second, lead_s))
        self.is_familiar = True

    def recall(self, key: str) -> None:
        """Take up what an earlier policy learned, once it has been read; in a process without a cluster, nothing.

        Args:
            key: Of the deployment: application and name.
        """
        if not self._is_open:
            self._is_open = True
            if in_cluster():
                self._fast, self._told = Memory(key), Memory(STATUS + key)
                self._slow = Memory(SEASONS + key, _earlier_days)
        if self._fast is not None and (found := self._fast.received()) is not None:
            try:
                self.planner.load(found["planner"])
                self.starts.load(found["starts"])
                self.losses.load(found["losses"])
                self.log.load(found["decisions"])
                if (curve := found.get("curve")) is not None:
                    self.hear_curve(BatchCurve(float(curve[0]), float(curve[1]), int(curve[2])))
                self.is_familiar = True
            except (KeyError, TypeError, ValueError) as error:
                logger.warning("autoscaling of %s: what was learned is passed over: %s", key, error)
        if self._slow is not None and (days := self._slow.received()) is not None:
            self.season, self.hourly = days

    def tell(self) -> None:
        """Have what an operator is told written soon, by another thread."""
        if self._told is not None:
            self._told.keep(self.status.dump)

    def keep(self, now_s: float, is_change: bool) -> None:
        """Have it written where it is time to, by another thread.

        Args:
            now_s: The policy's clock, seconds.
            is_change: The number was changed.
        """
        if is_change or now_s >= self._told_s + TELL_S:
            self._told_s = now_s
            self.tell()
        if self._fast is not None and (is_change or now_s >= self._kept_s + KEEP_S):
            self._kept_s = now_s
            self._fast.keep(self._dump)
        if self._slow is not None and now_s >= self._slow_kept_s + SLOW_KEEP_S:
            self._slow_kept_s = now_s
            self._slow.keep(lambda: {"season": self.season.to_json(), "hourly": self.hourly.to_json()})

    def _dump(self) -> dict[str, Any]:
        return {
            "planner": self.planner.dump(),
            "starts": self.starts.dump(),
            "losses": self.losses.dump(),
            "decisions": self.log.dump(),
            "curve": self.status.curve,
        }


def _earlier_days(key: str) -> tuple[Season, HourAhead] | None:
    """What was kept of them; for a version that is new, the season of the version that was there last.

    Not its rates, from which floors are made: a new version may get a small share of what the other one does.
    """
    if (found := read(key)) is not None:
        return Season.from_json(found["season"]), HourAhead.from_json(found["hourly"])
    others = [other["season"] for name in other_versions(key) if (other := read(name)) is not None]
    known = [season for season in others if season["days"]]
    return (Season.from_json(max(known, key=lambda season: season["days"][-1][0])), HourAhead()) if known else None
