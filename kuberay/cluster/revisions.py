"""What was applied before, kept in the cluster so that it can be applied again.

Each revision is a Secret beside the service, with the gzipped manifests inside, as Helm keeps its releases. A
ControllerRevision would be the fitting kind, but Kubernetes' own roles `edit` and `admin` may not write them, which a
pipeline usually has; a ConfigMap would show the Secrets among the manifests to everyone who may only look. A revision
is good once a wait has seen it ready; the newest five are kept, and the last good one always.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from kuberay.cluster.errors import NotDone
from kuberay.cluster.manifests import INSTANCE, OURS, PART_OF, Manifests

Object = dict[str, Any]

FIRST_NUMBER = 1
MAX_KEPT = 5
MAX_BYTES = 1_000_000
"""Of a Secret's data the API server takes 1 MiB."""

NUMBER, GOOD, DIGEST, GENERATION = (
    "headrace.io/revision",
    "headrace.io/good",
    "headrace.io/digest",
    "headrace.io/generation",
)


class Revision(NamedTuple):
    """One set of manifests that was applied.

    Attributes:
        number: Rises by one with every set that differs from the one before.
        is_good: A wait has seen it ready.
        digest: Of the manifests; equal for equal ones.
        generation: Of the RayService when it was applied.
    """

    number: int
    is_good: bool
    digest: str
    generation: int = 0
    manifests: Manifests | None = None

    def __str__(self) -> str:
        return f"revision {self.number} ({'good' if self.is_good else 'not seen ready'})"


def digest_of(manifests: Manifests) -> str:
    """A short name of manifests by what they say."""
    return hashlib.sha256(_text(manifests)).hexdigest()[:16]


def secret_of(revision: Revision, name: str, namespace: str) -> Object:
    """The Secret that keeps a revision.

    Raises:
        NotDone: The manifests are too large to be kept.
    """
    if revision.manifests is None:
        raise ValueError("a revision without its manifests cannot be kept")
    packed = gzip.compress(_text(revision.manifests), mtime=0)
    if len(packed) > MAX_BYTES:
        raise NotDone(f"the manifests take {len(packed)} bytes packed and a Secret holds {MAX_BYTES}: leave some out")
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": secret_name(name, revision.number),
            "namespace": namespace,
            "labels": {
                INSTANCE: name,
                PART_OF: OURS,
                NUMBER: str(revision.number),
                GOOD: str(revision.is_good).lower(),
                GENERATION: str(revision.generation),
            },
            "annotations": {DIGEST: revision.digest},
        },
        "type": "headrace.io/applied",
        "data": {"manifests": base64.b64encode(packed).decode()},
    }


def secret_name(name: str, number: int) -> str:
    """Name of the Secret of a revision."""
    return f"{name}-applied-{number}"


def revision_of(secret: Mapping[str, Any]) -> Revision:
    """The revision that a Secret keeps."""
    metadata = secret["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    packed = base64.b64decode((secret.get("data") or {}).get("manifests", ""))
    items = json.loads(gzip.decompress(packed)) if packed else ()
    return Revision(
        number=int(labels[NUMBER]),
        is_good=labels.get(GOOD) == "true",
        digest=annotations.get(DIGEST, ""),
        generation=int(labels.get(GENERATION, 0)),
        manifests=Manifests(tuple(items)),
    )


def next_number(kept: Sequence[Revision]) -> int:
    """Number of the revision after those that are kept."""
    return max((revision.number + 1 for revision in kept), default=FIRST_NUMBER)


def newest(kept: Iterable[Revision]) -> Revision | None:
    """The revision that was applied last."""
    return max(kept, key=lambda revision: revision.number, default=None)


def superfluous(kept: Sequence[Revision]) -> list[Revision]:
    """Revisions to be forgotten: older than the newest five, but never the last good one, nor that to go back to."""
    newest_first = sorted(kept, key=lambda revision: -revision.number)
    good = [revision for revision in newest_first if revision.is_good]
    needed = [*good[:1], *[revision for revision in good if revision.digest != newest_first[0].digest][:1]]
    return [revision for revision in newest_first[MAX_KEPT:] if revision not in needed]


def to_go_back_to(kept: Sequence[Revision]) -> Revision:
    """The newest good revision that says something else than the one in force.

    If that one says what an earlier good one said, and was not seen ready, it is a way back that did not end: the same
    way is gone again.

    Raises:
        NotDone: There is none.
    """
    now = newest(kept)
    for revision in sorted(kept, key=lambda revision: -revision.number):
        if revision.is_good and now is not None and (not now.is_good and revision.digest == now.digest):
            return revision
    for revision in sorted(kept, key=lambda revision: -revision.number):
        if revision.is_good and now is not None and revision.digest != now.digest:
            return revision
    if not kept:
        raise NotDone("no revision is kept: nothing was applied by this tool, so there is nothing to go back to")
    told = ", ".join(map(str, sorted(kept, key=lambda revision: revision.number)))
    raise NotDone(f"no good revision to go back to: {told}. A revision is good once `wait` has seen it ready")


def _text(manifests: Manifests) -> bytes:
    return json.dumps(manifests.items, sort_keys=True).encode()
