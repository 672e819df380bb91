"""What a starting platform says of its models, each told once: ready after so many seconds, or failed and why."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from serve_app.wire_client import WireClient, WireError


@dataclass(slots=True)
class Progress:
    """Follows a platform from its first answer until every model is ready or has failed for good.

    Attributes:
        client: The platform; its time limit bounds each look.
        say: Takes one line for people.
        started_s: Start of the clock that is shown.
        ready: Model version to the seconds it took, by its shown name.
        waiting: Model version to why it is not ready, as last heard.
        overview: What the platform last said of itself; None before its first answer.
    """

    client: WireClient
    say: Callable[[str], None]
    started_s: float = field(default_factory=time.monotonic)
    ready: dict[str, float] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    overview: dict[str, Any] | None = None

    def look(self) -> bool:
        """Ask once, and tell what is new.

        Returns:
            True when every model was ready once or has failed for good.
        """
        # Asked first: what comes after it is then at least as new.
        started = self.client.answers_ok("/startup")
        try:
            overview = self.client.overview()
        except WireError:
            return False
        if self.overview is None:
            self.say(f"platform: answers after {self._elapsed_s():.1f} s")
        self.overview = overview
        for model in overview["models"]:
            for version, reason in self._states(model).items():
                self._note(model["name"] if version is None else f"{model['name']} version {version}", reason)
        return started

    def tell_failures(self) -> None:
        """Say which models will not become ready by waiting."""
        for name, reason in self.waiting.items():
            self.say(f"{name}: failed: {reason or 'it gave no reason'}")

    def _states(self, model: dict[str, Any]) -> dict[str | None, str]:
        """Version to why it is not ready; the only version is called None."""
        versions = model.get("versions", ())
        if len(versions) < 2:
            return {None: "" if model["ready"] else model["reason"] or "loading"}
        states: dict[str | None, str] = {}
        for version in versions:
            path = f"/v2/models/{model['name']}/versions/{version}/ready"
            states[version] = "" if self.client.answers_ok(path) else "not ready"
        return states

    def _note(self, name: str, reason: str) -> None:
        if reason:
            self.waiting[name] = reason
            return
        self.waiting.pop(name, None)
        if name not in self.ready:
            self.ready[name] = self._elapsed_s()
            self.say(f"{name}: ready after {self.ready[name]:.1f} s")

    def _elapsed_s(self) -> float:
        return time.monotonic() - self.started_s
