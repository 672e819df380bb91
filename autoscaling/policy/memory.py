"""What a policy learned and decided, kept in the cluster: Serve makes a new policy at every deployment and restart.

The policy runs in Serve's control loop, which must never wait. So a thread of its own does the reading and writing; the
policy leaves what is to be written, and looks whether something was read.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

logger = logging.getLogger("ray.serve")

NAMESPACE = b"headrace-autoscaling"
"""In the key-value store of Ray's GCS."""

SEASONS = "season:"
"""Before the keys of entries that hold earlier days."""

STATUS = "status:"
"""Before the keys of entries that hold what an operator is told; see `status.Status.dump`."""

WRITE_S = 2.0
"""Changes of this time are written together."""


class Memory:
    """One deployment's entry in the store, read once and written in the background.

    Args:
        key: Of the entry: application and deployment.
        recall: Reads what is handed over, by the key, in the thread; None: the entry as it is. To make something of
            weeks of rates takes longer than a call of the policy may.
    """

    def __init__(self, key: str, recall: Callable[[str], Any] | None = None) -> None:
        self._mailbox = _Mailbox(key, recall or read)
        thread = threading.Thread(target=_keep, args=(self._mailbox,), name="headrace-autoscaling-memory", daemon=True)
        weakref.finalize(self, _close, self._mailbox)
        thread.start()

    def received(self) -> Any:
        """What was kept before, once it has been read; given once, else None."""
        found, self._mailbox.received = self._mailbox.received, None
        return found

    def keep(self, content: Callable[[], dict[str, Any]]) -> None:
        """Have this made and written soon, in the thread, in place of what was to be written."""
        self._mailbox.to_write = content
        self._mailbox.changed.set()


class _Mailbox:
    """What the policy and the thread hand each other; single attributes, so that neither waits for a lock."""

    def __init__(self, key: str, recall: Callable[[str], Any]) -> None:
        self.key, self.recall = key, recall
        self.received: Any = None
        self.to_write: Callable[[], dict[str, Any]] | None = None
        self.changed = threading.Event()
        self.closed = threading.Event()


def in_cluster() -> bool:
    """Whether this process belongs to a Ray cluster, and so has a store; Ray is not imported for that."""
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())


def read(key: str) -> dict[str, Any] | None:
    """Give an entry, or None where there is none; waits for the store."""
    from ray.experimental.internal_kv import _internal_kv_get

    data = _internal_kv_get(key.encode(), namespace=NAMESPACE)
    found = json.loads(data) if data else None
    return found if isinstance(found, dict) else None


def other_versions(key: str) -> list[str]:
    """Keys that differ in the version only, of a deployment `<model>-v<version>-<pool>`; waits for the store."""
    parts = re.fullmatch("(.*-v).+(-.*)", key)
    if parts is None:
        return []
    begin, end = parts.groups()
    found = [begin + name for name in _names(begin)]
    return [other for other in found if other.endswith(end) and len(other) > len(begin + end) and other != key]


def read_statuses(prefix: str) -> dict[str, dict[str, Any]]:
    """What the policies say of themselves; waits for the store.

    Args:
        prefix: Of the deployments' keys: the application and a slash.

    Returns:
        Deployment to what `status.Status.dump` gave.
    """
    return {name: read(STATUS + prefix + name) or {} for name in _names(STATUS + prefix)}


def read_decisions(prefix: str) -> list[dict[str, Any]]:
    """What the policies decided and why; waits for the store.

    Args:
        prefix: Of the deployments' keys: the application and a slash.

    Returns:
        For each deployment its name, the decision that holds now, the changes of the number, the newest last, the times
        that its replicas' starts took, seconds, what a batch takes as its replicas learned it,
        `[call_s, row_s, max_rows]`, and how often the policy failed.
    """
    statuses = read_statuses(prefix)
    found = []
    for name in sorted({*statuses, *_names(prefix)}):
        learned, status = read(prefix + name) or {}, statuses.get(name, {})
        found.append(
            {
                "deployment": name,
                "now": status.get("now"),
                "changes": learned.get("decisions", []),
                "starts_s": learned.get("starts", []),
                "curve": status.get("curve"),
                "num_errors": status.get("num_errors", 0),
            }
        )
    return found


def _names(prefix: str) -> list[str]:
    """What follows a prefix in the keys that have it."""
    from ray.experimental.internal_kv import _internal_kv_list

    return [key.decode().removeprefix(prefix) for key in _internal_kv_list(prefix.encode(), namespace=NAMESPACE)]


def _keep(mailbox: _Mailbox) -> None:
    """Read once, then write what is left for it, until nobody needs it any more."""
    from ray.experimental.internal_kv import _internal_kv_put

    try:
        mailbox.received = mailbox.recall(mailbox.key)
    except Exception as error:  # without its memory a policy works, it only learns anew
        logger.warning("autoscaling of %s: what was learned cannot be read: %s", mailbox.key, error)
    while not mailbox.closed.wait(WRITE_S):
        mailbox.changed.wait()
        mailbox.changed.clear()
        content, mailbox.to_write = mailbox.to_write, None
        if content is None:
            continue
        try:
            _internal_kv_put(mailbox.key.encode(), json.dumps(content()).encode(), overwrite=True, namespace=NAMESPACE)
        except Exception as error:  # likewise; the next change tries again
            logger.warning("autoscaling of %s: what was learned is not kept: %s", mailbox.key, error)
        # It holds the policy, whose end ends this thread.
        del content


def _close(mailbox: _Mailbox) -> None:
    mailbox.closed.set()
    mailbox.changed.set()
