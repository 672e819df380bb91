"""Read what may be read of a cluster, and name what may not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from kuberay.cluster.errors import KindMissing, Refused

_Found = TypeVar("_Found")


class Reader:
    """Goes on where a right to read is missing.

    Attributes:
        unread: What was not allowed, in the order of asking; once for each time.
    """

    def __init__(self) -> None:
        self.unread: list[str] = []

    def read(self, what: str, ask: Callable[[], _Found]) -> _Found | None:
        """What was asked for; None where it is not there, or may not be read.

        Raises:
            Refused: For another reason than a missing right.
        """
        try:
            return ask()
        except KindMissing:
            return None
        except Refused as error:
            if error.status != 403:
                raise
            self.unread.append(what)
            return None
