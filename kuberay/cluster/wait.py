"""Follow a rollout until it is ready, cannot become so, or takes too long; say what happens on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from kuberay.cluster.errors import Unreachable
from kuberay.cluster.narrate import Line, narrate, unread_notes
from kuberay.cluster.observe import Observation
from kuberay.cluster.verdict import DEFAULT_LIMITS, History, Limits, Verdict, judge

POLL_S = 2.0
"""KubeRay's own round; a watch would tell no more, for the operator's status is what changes."""

_MAX_BACKOFF_S = 30.0
_HEARTBEAT_S = 60.0


class Terminal(NamedTuple):
    """What the loops here need of the world.

    Attributes:
        say: Prints a line.
        clock: Seconds; only runs forward.
        sleep: Waits so many seconds.
    """

    say: Callable[[str], None]
    clock: Callable[[], float]
    sleep: Callable[[float], None]


class Outcome(NamedTuple):
    """How a wait ended."""

    state: Literal["ready", "failed", "superseded", "time limit"]
    reason: str
    last: Observation | None = None


def wait(
    look: Callable[[], Observation],
    terminal: Terminal,
    timeout_s: float,
    limits: Limits = DEFAULT_LIMITS,
    start: Observation | None = None,
) -> Outcome:
    """Wait for a service.

    Args:
        look: Sees the service as it is now.
        timeout_s: Limit, seconds.
        limits: When a trouble is held to be for good.
        start: The look before the change that is waited for; None: none was made, the first look is told in full.
    """
    told = _Told(terminal)
    history, seen, verdict, backoff_s = History(start), start, Verdict("going", "nothing seen yet"), 0.0
    while True:
        try:
            now = look()
        except Unreachable as error:
            backoff_s = min(max(backoff_s * 2, POLL_S), _MAX_BACKOFF_S)
            told.line(Line(f"{error}; trying again", once=True))
        else:
            if backoff_s:
                told.line(Line("the API server answers again"))
                told.forget("the API server does not answer")
            backoff_s = 0.0
            told.lines([Line(note, once=True) for note in unread_notes(now)])
            told.lines(narrate(seen, now))
            verdict, history = judge(now, history, terminal.clock(), limits)
            seen = now
            if verdict.state != "going" and verdict.state != "failing":
                return _end(told, Outcome(verdict.state, verdict.reason, now), verdict)
        if told.elapsed_s >= timeout_s:
            return _end(told, Outcome("time limit", f"{timeout_s:.0f} s are over: {verdict.reason}", seen), verdict)
        told.heartbeat("still no answer from the API server" if backoff_s else _standing(verdict))
        terminal.sleep(min(max(POLL_S, backoff_s), timeout_s - told.elapsed_s))


def _standing(verdict: Verdict) -> str:
    named = "still going" if verdict.state == "going" else "in trouble, still waiting"
    return f"{named}: {verdict.reason}"


def _end(told: _Told, outcome: Outcome, verdict: Verdict) -> Outcome:
    told.line(Line(f"{outcome.state}: {outcome.reason}"))
    for trouble in verdict.troubles:
        if trouble.text not in outcome.reason:
            told.line(Line(f"  also: {trouble.text}"))
    return outcome


class _Told:
    """What was said, so that nothing is said twice, and when, so that silence does not look like a hang."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._began_s = self._last_s = terminal.clock()
        self._once: set[str] = set()

    @property
    def elapsed_s(self) -> float:
        return self._terminal.clock() - self._began_s

    def lines(self, lines: list[Line]) -> None:
        for line in lines:
            self.line(line)

    def line(self, line: Line) -> None:
        if line.once and line.key in self._once:
            return
        if line.once:
            self._once.add(line.key)
        self._last_s = self._terminal.clock()
        self._terminal.say(f"{self.elapsed_s:5.0f} s  {line.text}")

    def forget(self, beginning: str) -> None:
        self._once = {key for key in self._once if not key.startswith(beginning)}

    def heartbeat(self, text: str) -> None:
        if self._terminal.clock() - self._last_s >= _HEARTBEAT_S:
            self.line(Line(text))
