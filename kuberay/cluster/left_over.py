"""What was applied earlier and is no longer among the manifests."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from kuberay.cluster.client import ApiServer
from kuberay.cluster.manifests import Manifests, Reference, is_ours, reference
from kuberay.cluster.reading import Reader
from kuberay.cluster.revisions import Revision

_NEVER_PRUNED = ("RayService", "Namespace", "PersistentVolumeClaim", "CustomResourceDefinition")


class LeftOver(NamedTuple):
    """An object that is on the server, carries our labels, and that no manifest names any more.

    Attributes:
        number: Of the oldest kept revision that has it.
    """

    reference: Reference
    number: int

    def is_pruned(self, since: int | None) -> bool:
        """Whether it is deleted; see `rollout.Wishes.prune_since`."""
        return since is not None and self.number >= since


def find_left_over(
    server: ApiServer, manifests: Manifests, kept: Iterable[Revision], say: Callable[[str], None]
) -> tuple[LeftOver, ...]:
    """Find them, of all revisions that are kept.

    Args:
        server: Where they are.
        manifests: What is applied now.
        kept: Revisions, oldest first.
        say: Told what may not be read.
    """
    reader = Reader()
    found = tuple(one for one in _dropped(manifests, kept) if _is_left(server, one.reference, manifests.name, reader))
    for what in reader.unread:
        say(f"note: {what} may not be read here; whether it is left over is not known")
    return found


def _dropped(manifests: Manifests, kept: Iterable[Revision]) -> Iterable[LeftOver]:
    """Whatever revisions have beyond the manifests. An object is the same in another version of its kind."""
    there = {reference(item)[1:] for item in manifests.items}
    found: dict[tuple[str, ...], LeftOver] = {}
    for revision in kept:
        for one in map(reference, revision.manifests.items if revision.manifests else ()):
            if one[1:] not in there and one.kind not in _NEVER_PRUNED:
                known = found.get(one[1:])
                found[one[1:]] = LeftOver(one, known.number if known else revision.number)
    return found.values()


def _is_left(server: ApiServer, one: Reference, name: str, reader: Reader) -> bool:
    item = reader.read(str(one), partial(server.get, one.api_version, one.kind, one.name, one.namespace or None))
    return item is not None and is_ours(item, name)
