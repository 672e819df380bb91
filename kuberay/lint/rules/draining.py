"""What is left to a pod that must go."""

from __future__ import annotations

from collections.abc import Iterator

from kuberay.lint.bundle import Bundle
from kuberay.lint.capacity import nodes_of_cluster
from kuberay.lint.document import Document
from kuberay.lint.finding import Problem, Rule
from kuberay.lint.place import Place
from kuberay.lint.platform import longest_request_s, platform_of
from kuberay.lint.rules.markets import spot_label
from kuberay.lint.views import Group, clusters_of

GRACE_S = 30.0
"""Kubernetes' own, where a pod says none."""
SHUTDOWN_S, WAIT_LOOP_S = 20.0, 2.0
"""Serve's own, where a deployment says none."""
DELETION_DELAY_S = 60.0

OF_SETTINGS = ("drain-shorter-than-request", "deletion-shorter-than-request")
"""Rules to which cluster settings are held as well, by those of their own."""


def _grace(group: Group) -> tuple[Place, float]:
    place = group.pod.at("terminationGracePeriodSeconds")
    return place, GRACE_S if place.number is None else place.number


def _shutdown_s(document: Document) -> tuple[str, float]:
    """The longest that a replica may take to end, and whose."""
    longest = ("a deployment", SHUTDOWN_S + WAIT_LOOP_S)
    settings = platform_of(document)
    if settings is not None:
        longest = ("the platform", settings.drain_s)
    for deployment in document.deployments:
        timeout_s, loop_s = (
            deployment.at(key).number for key in ("graceful_shutdown_timeout_s", "graceful_shutdown_wait_loop_s")
        )
        total_s = (SHUTDOWN_S if timeout_s is None else timeout_s) + (WAIT_LOOP_S if loop_s is None else loop_s)
        if total_s > longest[1]:
            longest = (f"deployment '{deployment.at('name').text}'", total_s)
    return longest


def _shorter(document: Document, bundle: Bundle) -> Iterator[Problem]:
    whose, needed_s = _shutdown_s(document)
    for cluster in clusters_of(document) if document.kind == "RayService" else []:
        for group in cluster.workers:
            place, grace_s = _grace(group)
            if grace_s < needed_s:
                sentence = f"{group.called} gives its pods {grace_s:g} s to end, and {whose} takes {needed_s:g} s"
                yield Problem(place, sentence, f"set terminationGracePeriodSeconds to {needed_s:g} or more")


def _request(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document) if document.kind == "RayService" else []:
        for group, nodes in zip(cluster.groups, nodes_of_cluster(cluster), strict=True):
            place, grace_s = _grace(group)
            needed_s = 0.0 if group.is_head else longest_request_s(document, nodes.resources)
            if grace_s < needed_s:
                sentence = f"{group.called} gives its pods {grace_s:g} s to end, and a request may take {needed_s:g} s"
                yield Problem(place, sentence, f"set terminationGracePeriodSeconds to {needed_s:g} or more")


def _notice(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.workers:
            label = spot_label(group)
            place, grace_s = _grace(group)
            notice_s = label.notice_s if label is not None else None
            if notice_s is not None and grace_s > notice_s:
                sentence = f"{group.called} wants {grace_s:g} s to end, and the provider gives {notice_s:g} s notice"
                yield Problem(place, sentence, f"set terminationGracePeriodSeconds to {notice_s:g} at most")


def _stop(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document) if document.kind == "RayService" else []:
        bare = [
            group for group in cluster.workers if group.containers and not group.ray.at("lifecycle", "preStop").given
        ]
        if bare:
            names = ", ".join(f"'{group.name}'" for group in bare)
            yield Problem(bare[0].ray.at("lifecycle", "preStop"), f"pods of {names} end at once")


def _deletion(document: Document, bundle: Bundle) -> Iterator[Problem]:
    if not document.is_ray or document.kind != "RayService":
        return
    place = document.root.at("spec", "rayClusterDeletionDelaySeconds")
    delay_s = DELETION_DELAY_S if place.number is None else place.number
    needed_s = longest_request_s(document)
    if delay_s < needed_s:
        sentence = f"the old cluster is deleted after {delay_s:g} s, and a request may take {needed_s:g} s"
        yield Problem(place, sentence, f"set rayClusterDeletionDelaySeconds to {needed_s:g} or more")


RULES = (
    Rule(
        "drain-shorter-than-shutdown",
        "error",
        "Kubernetes kills a pod after terminationGracePeriodSeconds, whatever Serve's replicas are still finishing.",
        "raise terminationGracePeriodSeconds, or lower the replicas' time to shut down",
        _shorter,
    ),
    Rule(
        "drain-shorter-than-request",
        "error",
        "A request that was begun before the node went is cut off when the pod ends before it.",
        "raise terminationGracePeriodSeconds",
        _request,
    ),
    Rule(
        "drain-longer-than-notice",
        "warning",
        "A reclaimed machine is off when the provider's notice is over: AWS gives 120 s, GCE and Azure 30 s.",
        "drain within the notice",
        _notice,
    ),
    Rule(
        "no-pre-stop",
        "warning",
        "The operator sets no preStop: a pod that is deleted ends Ray at once, and requests with it.",
        "add lifecycle.preStop that lets replicas drain, at least ray stop",
        _stop,
    ),
    Rule(
        "deletion-shorter-than-request",
        "error",
        "After the switch the old cluster only has this long to finish what it has begun.",
        "raise rayClusterDeletionDelaySeconds",
        _deletion,
    ),
)
