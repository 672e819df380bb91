"""Exit statuses of the commands that speak to a cluster, for pipelines."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """How a command ended."""

    DONE = 0
    FAILED = 1
    """The rollout failed for good, or the deletion left something."""
    USAGE = 2
    """The command line is wrong."""
    TIME_LIMIT = 3
    """It was still going when its time was over."""
    REFUSED = 4
    """Nothing was changed: the preflight found an error, or the API server refused, or it cannot be reached."""
    ROLLED_BACK = 5
    """The rollout failed, and the last good revision is ready again."""
    STOPPED = 130
    """By Ctrl-C: nobody looks any more, and the cluster goes on."""
