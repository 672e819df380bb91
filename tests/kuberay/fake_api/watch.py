"""Watches: the log of changes as a stream of events for one request."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.kuberay.fake_api.api import Api
from tests.kuberay.fake_api.calls import Call, seen
from tests.kuberay.fake_api.errors import ApiError, Object
from tests.kuberay.fake_api.selectors import Test, field_test, label_test
from tests.kuberay.fake_api.store import Change

POLL_S = 0.2
"""At most so long a watch looks away from whether it should end, seconds."""


class WatchOptions(NamedTuple):
    """Query parameters of a watch.

    Attributes:
        since: resourceVersion after which it begins; "" and "0" begin with all that is there.
        timeout_s: Ends after so long, seconds.
        wants_bookmarks: A BOOKMARK at the end, and after the initial events.
        wants_initial: The objects that are there come first, whatever `since` says.
    """

    since: str = ""
    timeout_s: float = 300.0
    wants_bookmarks: bool = False
    wants_initial: bool = False


def watched(
    api: Api, call: Call, options: WatchOptions, is_open: Callable[[], bool], pace: Callable[[], None] | None = None
) -> Iterator[Object]:
    """Events of one watch, each as the wire has it.

    Args:
        api: What is watched.
        call: Which kind, where, and the selectors.
        options: From where, how long.
        is_open: False ends the watch.
        pace: Instead of waiting for others to change something, do this, and end with the first news; the time that the
            watch may take is then the cluster's.
    """
    label, field = label_test(call.label_selector), field_test(call.field_selector, call.kind.kind)

    def matches(item: Object) -> bool:
        return label(item) and field(item)

    clock = api.clock.elapsed_s if pace else time.monotonic
    end = clock() + options.timeout_s
    initial = options.wants_initial or options.since in ("", "0")
    listed: Object = {"items": []}
    if initial:
        listed = api.list(call)
        version = int(listed["metadata"]["resourceVersion"])
        yield from ({"type": "ADDED", "object": item} for item in listed["items"])
        if options.wants_initial and options.wants_bookmarks:
            yield _bookmark(call, version, {"k8s.io/initial-events-end": "true"})
    else:
        version = int(options.since)
    has_news = bool(listed["items"])
    while is_open() and (left_s := end - clock()) > 0:
        changes = api.store.since(version)
        if changes is None:
            told = f"too old resource version: {version} ({api.store.version})"
            yield {"type": "ERROR", "object": ApiError(410, "Expired", told).status()}
            return
        for change in changes:
            version = change.version
            if (event := _event(call, change, matches)) is not None:
                has_news = True
                yield event
        if pace:
            if has_news:
                break
            pace()
            continue
        with api.store.changed:
            if api.store.version == version:
                api.store.changed.wait(min(left_s, POLL_S))
    if options.wants_bookmarks:
        yield _bookmark(call, version, {})


def _event(call: Call, change: Change, matches: Test) -> Object | None:
    """What a change is to this watch: an object that no longer matches is gone for it."""
    key, wanted = change.key, call.key
    if (key.group, key.plural) != (wanted.group, wanted.plural) or wanted.namespace not in ("", key.namespace):
        return None
    before = change.before is not None and matches(change.before)
    after = not change.is_deletion and matches(change.after)
    if not before and not after:
        return None
    word = "MODIFIED" if before and after else "ADDED" if after else "DELETED"
    return {"type": word, "object": seen(call.kind, change.after)}


def _bookmark(call: Call, version: int, annotations: dict[str, str]) -> Object:
    metadata: Object = {"resourceVersion": str(version), "creationTimestamp": None}
    if annotations:
        metadata |= {"annotations": annotations}
    item = {"kind": call.kind.kind, "apiVersion": call.kind.api_version, "metadata": metadata}
    return {"type": "BOOKMARK", "object": item}
