"""Who may speak to the cluster: tokens, network policies, TLS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kuberay.lint.bundle import Bundle
from kuberay.lint.document import Document
from kuberay.lint.finding import Problem, Rule
from kuberay.lint.place import Place
from kuberay.lint.rules.names import is_label
from kuberay.lint.views import clusters_of

DNS_PORT = 53
API_PORTS = (443, 6443)
TLS_VARIABLES = ("RAY_USE_TLS", "RAY_TLS_SERVER_CERT", "RAY_TLS_SERVER_KEY", "RAY_TLS_CA_CERT")


def _mode(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        auth = cluster.spec.at("authOptions")
        if auth.given and not auth.at("mode").given:
            yield Problem(auth.at("mode"), "authOptions without a mode ask for no token")


def _kubernetes(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        auth = cluster.spec.at("authOptions")
        place = auth.at("enableK8sTokenAuth")
        if place.value is not True:
            continue
        if cluster.kind != "RayCluster":
            yield Problem(place, f"a {cluster.kind} takes no Kubernetes tokens", "remove enableK8sTokenAuth")
        if auth.at("mode").value != "token":
            yield Problem(place, "enableK8sTokenAuth needs mode: token", "set mode: token")
        if auth.at("secretName").text:
            yield Problem(auth.at("secretName"), "secretName and enableK8sTokenAuth exclude each other", "remove one")


def _reaches(rules: list[Place], wanted: tuple[int, ...]) -> bool:
    """Whether an egress rule lets a port out; a rule without ports lets out all."""
    return any(
        not rule.at("ports").items or any(_covers(port, wanted) for port in rule.at("ports").items) for rule in rules
    )


def _covers(port: Place, wanted: tuple[int, ...]) -> bool:
    first, last = port.at("port").value, port.at("endPort").integer
    if first is None:
        return True
    return isinstance(first, int) and any(first <= number <= (last or first) for number in wanted)


def _egress(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        policy = cluster.spec.at("networkPolicy")
        if not policy.given or policy.at("mode").value == "DenyAllIngress":
            continue
        for side in ("head", "worker"):
            if not _reaches(policy.at(side, "egressRules").items, (DNS_PORT,)):
                yield Problem(policy.at(side, "egressRules"), f"no rule of the {side} lets DNS out")
        if cluster.autoscaling and not _reaches(policy.at("head", "egressRules").items, API_PORTS):
            place = policy.at("head", "egressRules")
            fix = "add an egress rule for TCP 443 (or 6443) of the API server"
            yield Problem(place, "no rule of the head lets the autoscaler reach the API server", fix)


def _modes(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        policy = cluster.spec.at("networkPolicy")
        mode: Any = policy.at("mode").value
        open_side = {"DenyAllEgress": "ingressRules", "DenyAllIngress": "egressRules"}.get(str(mode))
        for part in (policy.at("head"), policy.at("worker"), *policy.at("workerGroups").items):
            if open_side is not None and part.at(open_side).items:
                yield Problem(part.at(open_side), f"mode {mode} leaves that direction open", f"remove {open_side}")
        names = [group.place.at("groupName") for group in cluster.workers]
        for entry in policy.at("workerGroups").items:
            known = [name.text for name in names]
            if entry.at("groupName").text is not None and entry.at("groupName").text not in known:
                yield Problem(entry.at("groupName"), f"there is no group '{entry.at('groupName').text}'")
        for name in names if policy.given else []:
            if name.text is not None and not is_label(name.text):
                fix = "use lower-case letters, digits and hyphens"
                yield Problem(name, f"a policy would be named after the group '{name.text}'", fix)


def _tls(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        if cluster.spec.at("tlsOptions").given and cluster.spec.at("tlsOptions", "enabled").value is not False:
            for group in cluster.groups:
                for name in TLS_VARIABLES:
                    variable = group.environment(name)
                    if variable is not None:
                        yield Problem(variable, f"{group.called} sets {name} beside tlsOptions")


RULES = (
    Rule(
        "auth-mode-unsaid",
        "error",
        "The CRD says that mode is token by default, and the operator wants it written: the cluster stays open.",
        "write mode: token",
        _mode,
    ),
    Rule(
        "kubernetes-token-auth",
        "error",
        "The operator takes Kubernetes tokens for a RayCluster alone, with mode token and no Secret.",
        "use mode: token with a Secret",
        _kubernetes,
    ),
    Rule(
        "network-policy-egress",
        "error",
        "A policy that denies egress also denies DNS, without which no pod finds the head, and the API server, without "
        "which the autoscaler does nothing.",
        "add an egress rule for UDP and TCP 53",
        _egress,
    ),
    Rule(
        "network-policy-rules",
        "error",
        "The operator rejects rules for a direction that is open, and for groups that there are not.",
        "make mode, groups and rules agree",
        _modes,
    ),
    Rule(
        "tls-variable",
        "error",
        "With tlsOptions the operator sets Ray's TLS variables, and rejects others.",
        "remove the variable",
        _tls,
    ),
)
