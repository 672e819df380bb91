"""Every error that a caller can see, one tree, without status codes.

    HeadraceError
    |-- InvalidRequest            the caller must change the request
    |   |-- InvalidTensor         one tensor of it: which, and what was expected
    |   `-- PayloadTooLarge       it is over a size limit
    |-- UnknownModel              no such model, version or label
    |-- ModelUnavailable          known, but it cannot answer (loading, failed to load, draining)
    |-- Overloaded                come back later: `retry_after_s` says when
    |-- DeadlineExceeded          the request's time budget is spent, or cannot be met
    |-- InferenceFailed           the model raised on this request
    |-- ReplicaLost               the process that held the request died
    `-- LoadError                 a model version could not be loaded
        |-- ManifestError         model.yaml is wrong
        |-- FileError             a file of the version is missing, damaged or of the wrong content
        `-- UnsafeFile            loading it would run code from the file

Constructors pass exactly their positional facts to `super().__init__`, so that each error survives pickling
between processes; `__str__` builds the sentence. `serve_app/ingress/status.py` maps the tree to HTTP.
"""

from __future__ import annotations


class HeadraceError(Exception):
    """Root of the tree."""


class InvalidRequest(HeadraceError):
    """The request as a whole cannot be understood or answered."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class InvalidTensor(InvalidRequest):
    """One tensor does not match what the model expects."""

    def __init__(self, tensor: str, reason: str) -> None:
        HeadraceError.__init__(self, tensor, reason)
        self.tensor = tensor
        self.reason = reason

    def __str__(self) -> str:
        return f"tensor '{self.tensor}': {self.reason}"


class PayloadTooLarge(InvalidRequest):
    """A body, a message or a number of rows is over its limit."""

    def __init__(self, what: str, size: int, limit: int, unit: str) -> None:
        HeadraceError.__init__(self, what, size, limit, unit)
        self.what, self.size, self.limit, self.unit = what, size, limit, unit

    def __str__(self) -> str:
        return f"{self.what} is {self.size} {self.unit}, the limit is {self.limit} {self.unit}"


class UnknownModel(HeadraceError):
    """No model, version or label of that name is served."""

    def __init__(self, model: str, version: str | None, known: tuple[str, ...]) -> None:
        super().__init__(model, version, known)
        self.model, self.version, self.known = model, version, known

    def __str__(self) -> str:
        served = ", ".join(self.known) or "none"
        if self.version is None:
            return f"model '{self.model}' is not served; served models: {served}"
        return f"model '{self.model}' has no version or label '{self.version}'; it has: {served}"


class ModelUnavailable(HeadraceError):
    """The model is known but cannot answer now."""

    def __init__(self, model: str, version: str, reason: str) -> None:
        super().__init__(model, version, reason)
        self.model, self.version, self.reason = model, version, reason

    def __str__(self) -> str:
        return f"model '{self.model}' version '{self.version}' is unavailable: {self.reason}"


class Overloaded(HeadraceError):
    """Accepting the request would only make it and its neighbours late."""

    def __init__(self, model: str, reason: str, retry_after_s: float) -> None:
        super().__init__(model, reason, retry_after_s)
        self.model, self.reason, self.retry_after_s = model, reason, retry_after_s

    def __str__(self) -> str:
        return f"model '{self.model}' is overloaded: {self.reason}; retry after {self.retry_after_s:.3g} s"


class DeadlineExceeded(HeadraceError):
    """The request's time budget ran out, or is too small for what is left to do.

    Args (positional): model, where it died (`router`, `preprocessing`, `replica`), the budget in seconds, and what
    was predicted to be still needed in seconds (None: it had already run out).
    """

    def __init__(self, model: str, where: str, budget_s: float, predicted_s: float | None) -> None:
        super().__init__(model, where, budget_s, predicted_s)
        self.model, self.where, self.budget_s, self.predicted_s = model, where, budget_s, predicted_s

    def __str__(self) -> str:
        budget_ms = self.budget_s * 1e3
        if self.predicted_s is None:
            return f"model '{self.model}': the time budget of {budget_ms:.0f} ms ran out in the {self.where}"
        return (
            f"model '{self.model}': predicted {self.predicted_s * 1e3:.0f} ms, "
            f"budget {budget_ms:.0f} ms, given up in the {self.where}"
        )


class InferenceFailed(HeadraceError):
    """The model raised while it ran this request; its neighbours in the batch were answered."""

    def __init__(self, model: str, version: str, reason: str) -> None:
        super().__init__(model, version, reason)
        self.model, self.version, self.reason = model, version, reason

    def __str__(self) -> str:
        return f"model '{self.model}' version '{self.version}' failed on this request: {self.reason}"


class ReplicaLost(HeadraceError):
    """The process that held the request died before it answered; the request may have run."""

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(model, reason)
        self.model, self.reason = model, reason

    def __str__(self) -> str:
        return f"model '{self.model}': the replica that held this request was lost ({self.reason}); send it again"


class LoadError(HeadraceError):
    """A model version cannot be loaded: which file, and why."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class ManifestError(LoadError):
    """`model.yaml` is missing, not YAML, or says something that is not allowed."""


class FileError(LoadError):
    """A file is missing, unreadable, or its content is not what the manifest says."""


class UnsafeFile(LoadError):
    """Loading the file would unpickle it, that is, run code from it."""
