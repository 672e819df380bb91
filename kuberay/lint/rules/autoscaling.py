"""Ray's autoscaler, as KubeRay runs it."""

from __future__ import annotations

from collections.abc import Iterator

from kuberay.lint.bundle import Bundle
from kuberay.lint.document import Document
from kuberay.lint.finding import Problem, Rule
from kuberay.lint.views import V2_ENVIRONMENT, clusters_of

V2_BY_DEFAULT = (2, 47)
"""From this Ray on its own default is the second version."""


def _restart(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.groups if cluster.autoscaler_v2 else []:
            policy = group.pod.at("restartPolicy")
            if policy.value not in (None, "", "Never"):
                yield Problem(policy, f"{group.called} has restartPolicy {policy.value} under autoscaler v2")


def _unsaid(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        version = cluster.spec.at("autoscalerOptions", "version")
        ray = cluster.ray_version
        if cluster.autoscaling and not version.given and not cluster.autoscaler_v2 and ray and ray >= V2_BY_DEFAULT:
            yield Problem(version, "Ray will run autoscaler v2, and the operator is not told")


def _v2_only(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.workers if not cluster.autoscaler_v2 else []:
            for key in ("idleTimeoutSeconds", "priority"):
                if group.place.at(key).integer or (key == "idleTimeoutSeconds" and group.place.at(key).given):
                    yield Problem(group.place.at(key), f"{group.called} sets {key}, which autoscaler v2 alone knows")


def _off(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        if not cluster.autoscaling and cluster.spec.at("autoscalerOptions").entries:
            yield Problem(cluster.spec.at("autoscalerOptions"), "autoscalerOptions do nothing without an autoscaler")


def _fixed(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.workers if not cluster.autoscaling else []:
            most = group.place.at("maxReplicas").integer
            replicas = group.place.at("replicas").integer
            if most is not None and most > max(group.min_replicas, replicas or 0):
                sentence = f"{group.called} stays at {max(group.min_replicas, replicas or 0)} of at most {most} pods"
                yield Problem(group.place.at("maxReplicas"), sentence)


def _variable(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        variable = cluster.head.environment(V2_ENVIRONMENT)
        if variable is None:
            continue
        if not cluster.autoscaling and variable.at("value").value in ("1", "true"):
            yield Problem(variable, f"{V2_ENVIRONMENT} is set and enableInTreeAutoscaling is not")
        elif cluster.autoscaling and cluster.spec.at("autoscalerOptions", "version").given:
            yield Problem(variable, f"{V2_ENVIRONMENT} and autoscalerOptions.version are both set")


def _idle(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        options = cluster.spec.at("autoscalerOptions", "idleTimeoutSeconds")
        for place in (options, *(group.place.at("idleTimeoutSeconds") for group in cluster.workers)):
            if (place.integer or 0) < 0:
                yield Problem(place, "idleTimeoutSeconds is below none")


RULES = (
    Rule(
        "autoscaler-v2-restart-policy",
        "error",
        "Autoscaler v2 replaces pods itself: the operator rejects a restartPolicy other than Never.",
        "set restartPolicy: Never, or leave it out",
        _restart,
    ),
    Rule(
        "autoscaler-version-unsaid",
        "warning",
        "From Ray 2.47 on autoscaler v2 is Ray's default, and the operator prepares pods for it (restartPolicy Never) "
        "only when autoscalerOptions.version says v2.",
        "set autoscalerOptions.version: v2",
        _unsaid,
    ),
    Rule(
        "needs-autoscaler-v2",
        "error",
        "The operator rejects a group's idleTimeoutSeconds or priority without autoscaler v2.",
        "set enableInTreeAutoscaling: true and autoscalerOptions.version: v2",
        _v2_only,
    ),
    Rule(
        "autoscaler-off",
        "warning",
        "autoscalerOptions are read only with enableInTreeAutoscaling.",
        "set enableInTreeAutoscaling: true, or remove the options",
        _off,
    ),
    Rule(
        "bounds-without-autoscaler",
        "warning",
        "Nothing moves a group between its bounds unless Ray's autoscaler runs.",
        "set enableInTreeAutoscaling: true, or maxReplicas to replicas",
        _fixed,
    ),
    Rule(
        "autoscaler-variable",
        "error",
        f"The operator rejects {V2_ENVIRONMENT} without an autoscaler, and beside autoscalerOptions.version.",
        "remove the variable and set autoscalerOptions.version",
        _variable,
    ),
    Rule(
        "idle-timeout",
        "error",
        "The operator rejects a time below none.",
        "set it to 0 or more",
        _idle,
    ),
)
