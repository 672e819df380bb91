"""Tests of the rules over Ray's objects: for each a manifest that breaks it and one that does not."""

from __future__ import annotations

import pytest

from kuberay.lint.rulebook import RULES
from tests.unit.kuberay.lint.cases import BASES, DROP, Case, Edits, check, edited, find_in, service
from tests.unit.kuberay.lint.rules.cluster_cases import CASES as OF_CLUSTERS
from tests.unit.kuberay.lint.rules.cluster_cases import incremental
from tests.unit.kuberay.lint.rules.test_cluster_settings import CASES as OF_SETTINGS
from tests.unit.kuberay.lint.rules.test_serve import CASES as OF_SERVE
from tests.unit.kuberay.lint.rules.test_syntax import CASES as OF_SYNTAX

SPOT = {"eks.amazonaws.com/capacityType": "SPOT"}
GKE_SPOT = [{"key": "cloud.google.com/gke-spot", "value": "true"}]
AMD = {"limits": {"memory": "16Gi", "amd.com/gpu": 1}, "requests": {"cpu": "4", "memory": "16Gi"}}
EXISTS = {"operator": "Exists"}
EGRESS = [{"ports": [{"port": 53, "protocol": "UDP"}, {"port": 443}]}]
ROCKS = {"backend": "rocksdb", "storage": {"size": "1Gi"}}

DRAINING = [
    Case(
        "drain-shorter-than-shutdown",
        {"D.graceful_shutdown_timeout_s": 90},
        "WP.terminationGracePeriodSeconds",
        {"D.graceful_shutdown_timeout_s": 58},
        says="deployment 'Model' takes 92 s",
    ),
    Case(
        "drain-shorter-than-request",
        {"spec.serveConfigV2.http_options.request_timeout_s": 100},
        "WP.terminationGracePeriodSeconds",
        {"spec.serveConfigV2.http_options.request_timeout_s": 60},
    ),
    Case(
        "drain-longer-than-notice",
        {"W.labels": {"ray.io/market-type": "spot"}, "WP.nodeSelector": {"cloud.google.com/gke-spot": "true"}},
        "WP.terminationGracePeriodSeconds",
        {"W.labels": {"ray.io/market-type": "spot"}, "WP.nodeSelector": SPOT},
    ),
    Case("no-pre-stop", {"WC.lifecycle": DROP}, "WC.lifecycle.preStop"),
    Case("no-pre-stop", {"WC.lifecycle": {"postStart": {"sleep": {"seconds": 1}}}}, "WC.lifecycle.preStop"),
    Case(
        "deletion-shorter-than-request",
        {"spec.serveConfigV2.http_options.request_timeout_s": 300},
        "spec.rayClusterDeletionDelaySeconds",
    ),
]
FAULT_TOLERANCE = [
    Case(
        "gcs-ft-backend",
        {"C.gcsFaultToleranceOptions": {**ROCKS, "redisAddress": "redis:6379"}},
        "C.gcsFaultToleranceOptions.redisAddress",
        {"C.gcsFaultToleranceOptions": ROCKS},
    ),
    Case(
        "gcs-ft-mixed",
        {'metadata.annotations["ray.io/ft-enabled"]': "true"},
        'metadata.annotations["ray.io/ft-enabled"]',
        {'metadata.annotations["ray.io/ft-enabled"]': "true", "C.gcsFaultToleranceOptions": DROP},
    ),
    Case(
        "gcs-ft-namespace",
        {"C.gcsFaultToleranceOptions.externalStorageNamespace": "shop"},
        "C.gcsFaultToleranceOptions.externalStorageNamespace",
    ),
    Case(
        "redis-password-plain",
        {"C.gcsFaultToleranceOptions.redisPassword.value": "hunter2"},
        "C.gcsFaultToleranceOptions.redisPassword.value",
        {"C.gcsFaultToleranceOptions.redisPassword.valueFrom.secretKeyRef": {"name": "redis", "key": "password"}},
    ),
    Case(
        "head-without-fault-tolerance",
        {"C.gcsFaultToleranceOptions": DROP},
        "C.gcsFaultToleranceOptions",
        {"C.gcsFaultToleranceOptions": DROP, "W.minReplicas": 0},
    ),
]
ACCESS = [
    Case("auth-mode-unsaid", {"C.authOptions": {"secretName": "t"}}, "C.authOptions.mode"),
    Case(
        "kubernetes-token-auth",
        {"C.authOptions": {"mode": "token", "enableK8sTokenAuth": True}},
        "C.authOptions.enableK8sTokenAuth",
        {"C.authOptions": {"mode": "token", "secretName": "t"}},
    ),
    Case(
        "network-policy-egress",
        {"C.networkPolicy": {"mode": "DenyAll"}},
        "C.networkPolicy.head.egressRules",
        {"C.networkPolicy": {"mode": "DenyAll", "head": {"egressRules": EGRESS}, "worker": {"egressRules": EGRESS}}},
        says="DNS",
    ),
    Case(
        "network-policy-rules",
        {"C.networkPolicy": {"mode": "DenyAllIngress", "head": {"egressRules": EGRESS}}},
        "C.networkPolicy.head.egressRules",
        {"C.networkPolicy": {"mode": "DenyAllEgress", "head": {"egressRules": EGRESS}}},
    ),
    Case("tls-variable", {"C.tlsOptions": {"enabled": True}, "WC.env[0].name": "RAY_USE_TLS"}, "WC.env[0]"),
]
MARKETS = [
    Case("spot-without-base", {"GP.nodeSelector": SPOT}, "G"),
    Case(
        "spot-minimum",
        {"W.labels": {"ray.io/market-type": "spot"}},
        "W.minReplicas",
        {"W.labels": {"ray.io/market-type": "spot"}, "W.minReplicas": 0},
    ),
    Case(
        "spot-label",
        {"WP.nodeSelector": SPOT},
        "W.labels",
        {"WP.nodeSelector": SPOT, "W.labels": {"ray.io/market-type": "spot"}},
    ),
    Case(
        "spot-toleration",
        {"WP.nodeSelector": {"kubernetes.azure.com/scalesetpriority": "spot"}},
        "WP.tolerations",
        {
            "WP.nodeSelector": {"kubernetes.azure.com/scalesetpriority": "spot"},
            "WP.tolerations": [{"key": "kubernetes.azure.com/scalesetpriority", "value": "spot"}],
        },
    ),
    Case(
        "spot-toleration-alone",
        {"WP.tolerations": GKE_SPOT},
        "WP.nodeSelector",
        {"WP.tolerations": GKE_SPOT, "WP.nodeSelector": {"headrace.io/node-group": "cpu"}},
    ),
    Case("head-on-spot", {"HP.nodeSelector": SPOT}, "HP.nodeSelector"),
    Case("head-with-gpu", {'HC.resources.limits["nvidia.com/gpu"]': 1}, "HC.resources.limits"),
    Case("gpu-toleration-without-gpu", {"WP.tolerations": [{"key": "nvidia.com/gpu", **EXISTS}]}, "WP.tolerations[0]"),
    Case("gpu-toleration-without-gpu", {"WP.tolerations": [EXISTS]}, "WP.tolerations[0]"),
    Case("gpu-without-toleration", {"GP.tolerations": DROP}, "GP.tolerations", {"GP.tolerations": [EXISTS]}),
    Case(
        "gpu-without-toleration",
        {"GC.resources": AMD},
        "GP.tolerations",
        {"GC.resources": AMD, "GP.tolerations": [{"key": "amd.com/gpu", **EXISTS}]},
        says="add the toleration {key: amd.com/gpu,",
    ),
    Case(
        "gpu-without-toleration",
        {"GP.tolerations": DROP, 'GC.resources.limits["nvidia.com/mig-1g.5gb"]': 1},
        "GP.tolerations",
        {'GC.resources.limits["nvidia.com/mig-1g.5gb"]': 1},
        says="does not tolerate nvidia.com/gpu",
    ),
]
JOBS = [
    Case("job-submission", {"spec.submissionMode": "Http"}, "spec.submissionMode", base="job"),
    Case(
        "job-submission",
        {"spec.submissionMode": "InteractiveMode", "spec.backoffLimit": 2},
        "spec.backoffLimit",
        {"spec.submissionMode": "K8sJobMode", "spec.backoffLimit": 2},
        base="job",
    ),
    Case("job-cluster", {"spec.rayClusterSpec": DROP}, "spec", base="job"),
    Case("job-lifetime", {"spec.shutdownAfterJobFinishes": False}, "spec.ttlSecondsAfterFinished", base="job"),
    Case("job-runtime-env", {"spec.runtimeEnvYAML": "pip: ["}, "spec.runtimeEnvYAML", base="job"),
    Case("cron-schedule", {"spec.schedule": "CRON_TZ=UTC 0 0 * * *"}, "spec.schedule", base="cron", says="timeZone"),
    Case("cron-schedule", {"spec.schedule": "0 24 * * *"}, "spec.schedule", {"spec.schedule": "@hourly"}, base="cron"),
    Case("cron-schedule", {"spec.timeZone": "Berlin"}, "spec.timeZone", base="cron"),
]
SELECTORS = [
    Case(
        "selector-of-originator",
        {'spec.selector.matchLabels["ray.io/originated-from-cr-name"]': "shop"},
        'spec.selector.matchLabels["ray.io/originated-from-cr-name"]',
        base="budget",
    ),
    Case(
        "selector-of-cluster",
        {'spec.selector.matchLabels["ray.io/cluster"]': "shop-abcde"},
        'spec.selector.matchLabels["ray.io/cluster"]',
        base="budget",
    ),
    Case(
        "selector-of-nothing",
        {'spec.selector.matchLabels["ray.io/group"]': "cpus"},
        "spec.selector.matchLabels",
        {'spec.selector.matchLabels["ray.io/group"]': "cpu"},
        base="budget",
    ),
    Case(
        "selector-of-nothing",
        {"spec.selector.matchLabels": {"ray.io/node-type": "driver"}},
        "spec.selector.matchLabels",
        {"spec.selector.matchLabels": {"ray.io/node-type": "redis-cleanup"}},
        base="budget",
    ),
    Case(
        "selector-of-nothing",
        {"spec.selector.matchLabels": {"ray.io/group": "shop-head"}},
        "spec.selector.matchLabels",
        {"spec.selector.matchLabels": {"ray.io/identifier": "shop-head"}},
        base="budget",
    ),
    Case(
        "budget-max-unavailable",
        {"spec.maxUnavailable": 1, "spec.minAvailable": DROP},
        "spec.maxUnavailable",
        base="budget",
    ),
    Case("budget-percent", {"spec.minAvailable": "50%"}, "spec.minAvailable", base="budget"),
    Case(
        "budget-blocks-drains", {"spec.minAvailable": 3}, "spec.minAvailable", {"spec.minAvailable": 2}, base="budget"
    ),
    Case(
        "monitor-port",
        {"spec.podMetricsEndpoints[0].port": "as-metrics"},
        "spec.podMetricsEndpoints[0].port",
        {"spec.podMetricsEndpoints[0].port": "dashboard"},
        base="monitor",
    ),
    Case(
        "service-monitor",
        {"kind": "ServiceMonitor", "spec.selector.matchLabels": {"ray.io/node-type": "worker"}},
        'spec.selector.matchLabels["ray.io/node-type"]',
        {"kind": "ServiceMonitor"},
        base="monitor",
    ),
]
CASES = [*OF_CLUSTERS, *DRAINING, *FAULT_TOLERANCE, *ACCESS, *MARKETS, *JOBS, *SELECTORS]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_rule_finds_what_breaks_it_and_nothing_else(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("base", BASES)
def test_nothing_is_found_where_nothing_is_wrong(base: str) -> None:
    beside = [service()] if base in ("budget", "monitor") else []
    found = {finding.rule for finding in find_in([BASES[base](), *beside])}
    assert found == ({"feature-gate"} if base == "cron" else set())


@pytest.mark.parametrize(
    ("rule", "base", "edits"),
    [
        ("dashboard-port", "cluster", {"spec.headGroupSpec.template.spec.containers[0].ports[1]": DROP}),
        ("spot-without-base", "job", {"spec.rayClusterSpec.workerGroupSpecs[1].template.spec.nodeSelector": SPOT}),
    ],
)
def test_what_only_a_service_needs_is_asked_of_no_other(rule: str, base: str, edits: Edits) -> None:
    assert rule not in {finding.rule for finding in find_in([edited(BASES[base](), edits)])}


@pytest.mark.parametrize(
    "rule", ["spot-toleration-alone", "gpu-toleration-without-gpu", "serve-target-over-limit", "unknown-document"]
)
def test_what_works_until_something_happens_is_a_warning(rule: str) -> None:
    assert [known.severity for known in RULES if known.id == rule] == ["warning"]


def test_no_service_of_the_old_name_with_an_incremental_upgrade() -> None:
    manifest = service()
    manifest["spec"]["upgradeStrategy"] = incremental()["spec.upgradeStrategy"]
    backend = {"service": {"name": "shop-serve-svc", "port": {"number": 8000}}}
    spec = {"defaultBackend": backend}
    ingress = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "in"}, "spec": spec}
    assert "serve-service-missing" in {finding.rule for finding in find_in([ingress, manifest])}
    assert "serve-service-missing" not in {finding.rule for finding in find_in([ingress, service()])}


def test_every_rule_has_a_case() -> None:
    elsewhere = {"serve-service-missing", *OF_SETTINGS, *OF_SYNTAX, *(case.rule for case in OF_SERVE)}
    assert {rule.id for rule in RULES} == {case.rule for case in CASES} | elsewhere


def test_every_rule_has_its_own_id_and_says_why_and_what_to_do() -> None:
    ids = [rule.id for rule in RULES]
    assert len(ids) == len(set(ids))
    for rule in RULES:
        assert rule.id == rule.id.lower().replace("_", "-").replace(" ", "-")
        assert rule.reason.endswith(".")
        assert rule.fix
        assert not rule.fix.endswith(".")
