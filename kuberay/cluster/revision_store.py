"""Where revisions lie: Secrets of the service's namespace."""

from __future__ import annotations

from kuberay.cluster.client import ApiServer
from kuberay.cluster.errors import NotDone
from kuberay.cluster.manifests import selector
from kuberay.cluster.observe import Service
from kuberay.cluster.revisions import NUMBER, Revision, newest, revision_of, secret_name, secret_of, superfluous
from kuberay.difference import lacking


def load_revisions(server: ApiServer, name: str, namespace: str) -> list[Revision]:
    """Everything that is kept of a service, oldest first."""
    found = server.find("v1", "Secret", labels=f"{selector(name)},{NUMBER}", namespace=namespace)
    return sorted(map(revision_of, found), key=lambda revision: revision.number)


def save_revision(server: ApiServer, revision: Revision, name: str, namespace: str) -> None:
    """Keep a revision, or what is new of it."""
    server.apply(secret_of(revision, name, namespace), is_forced=True)


def mark_good(server: ApiServer, service: Service) -> Revision | None:
    """Remember that what was applied last has been seen ready.

    Args:
        service: As it was seen.

    Returns:
        The revision; None where none is kept.

    Raises:
        NotDone: Somebody else has changed the service since.
    """
    name, namespace = service.name, service.namespace
    kept = load_revisions(server, name, namespace)
    last = newest(kept)
    if last is None:
        return None
    # The operator's own first writing raises the generation too, and takes nothing away.
    if last.generation != service.generation and (
        last.manifests is None or any(lacking(last.manifests.service["spec"], service.spec))
    ):
        raise NotDone("the service was changed by somebody else since it was applied")
    if not last.is_good:
        last = last._replace(is_good=True)
        save_revision(server, last, name, namespace)
        kept[-1] = last
    forget(server, kept, name, namespace)
    return last


def forget(server: ApiServer, kept: list[Revision], name: str, namespace: str) -> None:
    """Delete what is too old to be kept."""
    for revision in superfluous(kept):
        metadata = {"name": secret_name(name, revision.number), "namespace": namespace}
        server.delete({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
