"""A rollout from end to end: apply, wait, remember what was good, go back where it failed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from kuberay.cluster.apply import carry_out, prepare, told
from kuberay.cluster.client import ApiServer
from kuberay.cluster.errors import ClusterError, NotDone
from kuberay.cluster.exits import Exit
from kuberay.cluster.look import look
from kuberay.cluster.manifests import Manifests
from kuberay.cluster.revision_store import load_revisions, mark_good
from kuberay.cluster.revisions import Revision, digest_of, newest, to_go_back_to
from kuberay.cluster.verdict import DEFAULT_LIMITS, Limits
from kuberay.cluster.wait import Outcome, Terminal, wait

_EXITS = {"ready": Exit.DONE, "failed": Exit.FAILED, "superseded": Exit.FAILED, "time limit": Exit.TIME_LIMIT}


class Wishes(NamedTuple):
    """What a user asks of a rollout.

    Attributes:
        prune_since: Left-over objects that came with the revision of this number or a later one are deleted; None: none
            is, they are only named.
        timeout_s: Limit of each wait, seconds.
    """

    is_dry_run: bool = False
    is_forced: bool = False
    prune_since: int | None = None
    wait: bool = False
    rollback_on_failure: bool = False
    timeout_s: float = 1800.0
    limits: Limits = DEFAULT_LIMITS


def roll_out(server: ApiServer, manifests: Manifests, wishes: Wishes, terminal: Terminal) -> Exit:
    """Apply manifests, and whatever else is wished.

    Raises:
        ClusterError: Nothing was changed.
    """
    name, namespace = manifests.name, manifests.namespace
    plan = prepare(server, manifests, terminal.say, is_forced=wishes.is_forced)
    if wishes.is_dry_run:
        for line in told(plan, prune_since=wishes.prune_since, is_dry_run=True):
            terminal.say(line)
        return Exit.DONE
    before = look(server, name, namespace) if wishes.wait else None
    try:
        carry_out(server, plan, terminal.say, is_forced=wishes.is_forced, prune_since=wishes.prune_since)
        if not wishes.wait:
            return Exit.DONE
        # Where nothing was there before, everything is news; else only what the change brings about.
        start = before if before and before.service else None
        outcome = wait(partial(look, server, name, namespace), terminal, wishes.timeout_s, wishes.limits, start)
    except ClusterError as error:
        terminal.say(f"ended half way: {error}")
        terminal.say("apply again: what was done already is found unchanged")
        return Exit.FAILED
    if outcome.state == "ready":
        return settle(server, name, namespace, outcome, terminal)
    if not wishes.rollback_on_failure or outcome.state == "superseded":
        return _EXITS[outcome.state]
    last = newest(plan.kept)
    if last is not None and last.is_good and last.digest == digest_of(manifests):
        terminal.say(f"{last} said the same and was good: nothing is rolled back")
        return _EXITS[outcome.state]
    return _go_back_after_failure(server, manifests, wishes, terminal)


def settle(server: ApiServer, name: str, namespace: str, outcome: Outcome, terminal: Terminal) -> Exit:
    """End a wait: what was seen ready is remembered as good."""
    if outcome.state == "ready" and outcome.last and outcome.last.service:
        try:
            revision = mark_good(server, outcome.last.service)
        except ClusterError as error:  # what was waited for is there all the same
            terminal.say(f"not remembered as good: {error}")
        else:
            if revision is not None:
                terminal.say(f"revision {revision.number} is good, and kept to go back to")
    return _EXITS[outcome.state]


def roll_back(server: ApiServer, name: str, namespace: str, wishes: Wishes, terminal: Terminal) -> Exit:
    """Apply the last good revision that differs from the one in force.

    Raises:
        NotDone: There is none.
        ClusterError: It cannot be applied.
    """
    kept = load_revisions(server, name, namespace)
    chosen = to_go_back_to(kept)
    terminal.say(f"going back from {_named(kept)} to {chosen}")
    if chosen.manifests is None:
        raise NotDone(f"{chosen} was kept without its manifests")
    # What only newer revisions brought goes with them; what was left over before is not this one's to delete.
    back = wishes._replace(prune_since=chosen.number + 1, rollback_on_failure=False)
    return roll_out(server, chosen.manifests, back, terminal)


def _go_back_after_failure(server: ApiServer, manifests: Manifests, wishes: Wishes, terminal: Terminal) -> Exit:
    try:
        ended = roll_back(server, manifests.name, manifests.namespace, wishes._replace(wait=True), terminal)
    except ClusterError as error:
        terminal.say(f"not rolled back: {error}")
        return Exit.FAILED
    return Exit.ROLLED_BACK if ended is Exit.DONE else Exit.FAILED


def _named(kept: Sequence[Revision]) -> str:
    last = newest(kept)
    return str(last) if last else "what is there"
