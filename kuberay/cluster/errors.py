"""What can go wrong with a cluster, beside a rollout that fails."""

from __future__ import annotations


class ClusterError(Exception):
    """The base of all of them; its sentence is for the user."""


class Unreachable(ClusterError):
    """The API server does not answer, or says that it cannot now; the same may work a moment later."""

    def __init__(self, doing: str, why: str) -> None:
        super().__init__(doing, why)
        self.doing, self.why = doing, why

    def __str__(self) -> str:
        return f"the API server does not answer ({self.doing}): {self.why}"


class Refused(ClusterError):
    """The API server says no, and would say so again.

    Args:
        subject: What was asked for, as `apply RayService headrace`.
        status: HTTP status.
        reasons: Sentences; each names its field where there is one.
    """

    def __init__(self, subject: str, status: int, reasons: tuple[str, ...]) -> None:
        super().__init__(subject, status, reasons)
        self.subject, self.status, self.reasons = subject, status, reasons

    def __str__(self) -> str:
        return f"{self.subject}: " + "; ".join(self.reasons)


class KindMissing(ClusterError):
    """The cluster does not know a kind."""

    def __init__(self, api_version: str, kind: str) -> None:
        super().__init__(api_version, kind)
        self.api_version, self.kind = api_version, kind

    def __str__(self) -> str:
        return f"the cluster knows no kind {self.kind} of {self.api_version}"


class NotDone(ClusterError):
    """A command ends without what was asked for; every reason is a line."""

    def __init__(self, *reasons: str) -> None:
        super().__init__(*reasons)

    def __str__(self) -> str:
        return "\n".join(self.args)
