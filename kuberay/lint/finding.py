"""What a rule is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from kuberay.lint.place import Place

if TYPE_CHECKING:
    from kuberay.lint.bundle import Bundle
    from kuberay.lint.document import Document

Severity = Literal["error", "warning"]


class Problem(NamedTuple):
    """What is wrong at one place.

    Attributes:
        sentence: What is there and what becomes of it.
        fix: What to do; None: as the rule says.
    """

    place: Place
    sentence: str
    fix: str | None = None


Check = Callable[["Document", "Bundle"], Iterator[Problem]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One trap, and how to see it.

    Attributes:
        id: In kebab case; what a reader looks up.
        severity: error: it is refused, never starts, or loses requests. warning: it works until something happens.
        reason: Why it is one.
        fix: What to do, as an order that ends a sentence.
        check: Looks for it in one document; the bundle holds those beside it.
    """

    id: str
    severity: Severity
    reason: str
    fix: str
    check: Check


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A problem, with all that a reader needs to act.

    Attributes:
        line: In the file, from 1.
    """

    file: str
    line: int
    path: str
    rule: str
    severity: Severity
    sentence: str
    fix: str

    def __str__(self) -> str:
        grade = "" if self.severity == "error" else "warning: "
        return f"{self.file}:{self.path}: {self.rule}: {grade}{self.sentence}; {self.fix} (line {self.line})"
