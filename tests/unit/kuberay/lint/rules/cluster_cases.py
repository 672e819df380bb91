"""Cases of what a manifest says of its cluster: fields, versions, groups, pods, probes, upgrades."""

from __future__ import annotations

from typing import Any

from tests.unit.kuberay.lint.cases import DROP, Case

OFFICIAL_GPU = "rayproject/ray-ml:2.52.0-gpu"
INCREMENTAL = "NewClusterWithIncrementalUpgrade"
STEPS = {"stepSizePercent": 10, "intervalSeconds": 5, "gatewayClassName": "istio"}


def incremental(**changes: Any) -> dict[str, Any]:
    return {"spec.upgradeStrategy": {"type": INCREMENTAL, "clusterUpgradeOptions": {**STEPS, **changes}}}


FIELDS = [
    Case("unknown-key", {"W.maxReplica": 3}, "W.maxReplica", says="did you mean maxReplicas?"),
    Case("unknown-key", {"C.nonsense": 3}, "C.nonsense", says="use one of: authOptions"),
    Case("misplaced-key", {"W.tolerations": []}, "W.tolerations", {"WP.tolerations": []}, says="template.spec"),
    Case("misplaced-key", {"H.maxReplicas": 1}, "H.maxReplicas", says="move it to spec.rayClusterConfig.workerGroup"),
    Case("misplaced-key", {"spec.workerGroupSpecs": []}, "spec.workerGroupSpecs", says="spec.rayClusterConfig"),
    Case("wrong-type", {"W.maxReplicas": "three"}, "W.maxReplicas", says="must be a whole number"),
    Case("wrong-type", {"C.rayVersion": 2.6}, "C.rayVersion", says='write it in quotes: "2.6"'),
    Case("missing-key", {"H.template": DROP}, "H.template", says="add template"),
    Case("missing-key", {"W.groupName": DROP}, "W.groupName", {"W.minReplicas": DROP}),
    Case("null-value", {"W.template.metadata": None}, "W.template.metadata", {"W.minReplicas": None}),
    Case("bad-value", {"C.autoscalerOptions.upscalingMode": "Fast"}, "C.autoscalerOptions.upscalingMode"),
    Case(
        "duplicate-entry",
        {"WC.env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]},
        "WC.env[1]",
        {"WC.env": [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}]},
    ),
    Case("crd-condition", {"spec.managedBy": "me"}, "spec.managedBy", {"spec.managedBy": "ray.io/kuberay-operator"}),
    Case(
        "crd-condition",
        {"spec.deletionStrategy": {"deletionRules": [{"policy": "DeleteSelf", "condition": {}}]}},
        "spec.deletionStrategy.deletionRules[0].condition",
        {"spec.deletionStrategy": {"deletionRules": [{"policy": "DeleteSelf", "condition": {"jobStatus": "FAILED"}}]}},
        base="job",
    ),
]
NAMES = [
    Case("name-too-long", {"metadata.name": "n" * 48}, "metadata.name", {"metadata.name": "n" * 47}),
    Case("name-too-long", {"metadata.name": "n" * 37}, "metadata.name", {"metadata.name": "n" * 36}, base="cron"),
    Case("name-form", {"metadata.name": "1shop"}, "metadata.name", {"metadata.name": "shop-1"}),
    Case("group-name-form", {"W.groupName": "CPU_1"}, "W.groupName", {"W.groupName": "cpu-1"}),
    Case("duplicate-group", {"G.groupName": "cpu"}, "G.groupName"),
    Case("reserved-group-name", {"W.groupName": "headgroup"}, "W.groupName"),
]
VERSIONS = [
    Case("kuberay-too-old", {"W.priority": 1}, "W.priority", kuberay=(1, 6, 2), says="1.6.2 does not know priority"),
    Case("kuberay-too-old", {"spec.suspend": False}, "spec.suspend", kuberay=(1, 6, 2)),
    Case("feature-gate", {"C.networkPolicy": {"mode": "DenyAllIngress"}}, "C.networkPolicy", says="RayClusterNetwork"),
    Case("feature-gate", incremental(), "spec.upgradeStrategy.type", kuberay=(1, 6, 2)),
    Case("ray-version-missing", {"C.rayVersion": DROP}, "C.rayVersion"),
    Case("ray-version-form", {"C.rayVersion": "nightly"}, "C.rayVersion"),
    Case("ray-version-mismatch", {"GC.image": OFFICIAL_GPU}, "GC.image", {"GC.image": "mine/model:2.52.0"}),
    Case("ray-version-mismatch", {"C.rayVersion": "2.59"}, "WC.image", {"C.rayVersion": "2.60"}),
    Case(
        "ray-version-mismatch",
        {"C.rayVersion": DROP, "GC.image": OFFICIAL_GPU},
        "GC.image",
        {"C.rayVersion": DROP},
        says="the image of another group",
    ),
    Case("ray-version-broken-agent", {"C.rayVersion": "2.37.0"}, "C.rayVersion", {"C.rayVersion": "2.38.0"}),
    Case(
        "ray-too-old",
        {"C.rayVersion": "2.51.0", "C.authOptions": {"mode": "token"}},
        "C.authOptions.mode",
        {"C.rayVersion": "2.52", "C.authOptions": {"mode": "token"}},
    ),
    Case("ray-too-old", {"C.rayVersion": "2.55.0", "W.priority": 2}, "W.priority", {"W.priority": 2}),
]
GROUPS = [
    Case("group-bounds", {"W.minReplicas": 7}, "W.minReplicas", {"W.minReplicas": 6}),
    Case("replicas-outside-bounds", {"W.replicas": 1}, "W.replicas", {"W.replicas": 2}),
    Case("empty-group", {"W.minReplicas": 0, "W.maxReplicas": 0}, "W.maxReplicas"),
    Case("unbounded-group", {"W.maxReplicas": DROP}, "W.maxReplicas"),
    Case("no-container", {"WP.containers": []}, "WP.containers"),
    Case("ray-container-first", {"WC.name": "proxy", "WC.image": "envoy:1", "WP.containers[1]": {"name": "ray"}}, "WC"),
    Case("group-label-form", {"W.labels": {"a b": "c"}}, 'W.labels["a b"]', {"W.labels": {"shop.io/a_b": "c-1"}}),
    Case("suspended-group", {"W.suspend": True}, "W.suspend", {"W.suspend": False}),
    Case(
        "workers-to-delete",
        {"W.scaleStrategy.workersToDelete": ["shop-1"]},
        "W.scaleStrategy.workersToDelete",
    ),
    Case("apply-conflict", {"W.scaleStrategy": DROP}, "W"),
]
AUTOSCALING = [
    Case(
        "autoscaler-v2-restart-policy",
        {"WP.restartPolicy": "Always"},
        "WP.restartPolicy",
        {"WP.restartPolicy": "Never"},
    ),
    Case("autoscaler-version-unsaid", {"C.autoscalerOptions": DROP}, "C.autoscalerOptions.version"),
    Case(
        "needs-autoscaler-v2",
        {"C.autoscalerOptions.version": "v1", "W.idleTimeoutSeconds": 60},
        "W.idleTimeoutSeconds",
        {"W.idleTimeoutSeconds": 60},
    ),
    Case("autoscaler-off", {"C.enableInTreeAutoscaling": False}, "C.autoscalerOptions"),
    Case(
        "bounds-without-autoscaler",
        {"C.enableInTreeAutoscaling": False},
        "W.maxReplicas",
        {"C.enableInTreeAutoscaling": False, "W.maxReplicas": 2, "G.maxReplicas": 1},
    ),
    Case("autoscaler-variable", {"HC.env[0].name": "RAY_enable_autoscaler_v2"}, "HC.env[0]"),
    Case("idle-timeout", {"W.idleTimeoutSeconds": -1}, "W.idleTimeoutSeconds", {"W.idleTimeoutSeconds": 0}),
]
RESOURCES = [
    Case("resources-twice", {"H.resources": {"CPU": "1"}}, "H.resources", {"W.resources": {"CPU": "4"}}),
    Case("start-param-labels", {"W.rayStartParams.labels": "a=b"}, "W.rayStartParams.labels", {"W.labels": {"a": "b"}}),
    Case(
        "start-param-resources",
        {"W.rayStartParams.resources": '{"slot": 1}'},
        "W.rayStartParams.resources",
        {"W.rayStartParams.resources": '"{\\"slot\\": 1}"'},
    ),
    Case(
        "start-param-quotes",
        {"W.rayStartParams.node-ip-address": '"10.0.0.1'},
        "W.rayStartParams.node-ip-address",
        {"W.rayStartParams.node-ip-address": "$MY_POD_IP"},
    ),
    Case("worker-num-cpus", {"W.rayStartParams.num-cpus": "4"}, "W.rayStartParams.num-cpus"),
    Case("cpu-unset", {"WC.resources.limits.cpu": DROP, "WC.resources.requests.cpu": DROP}, "WC.resources"),
    Case("memory-unset", {"WC.resources.limits.memory": DROP}, "WC.resources.limits.memory"),
    Case(
        "memory-request-below-limit",
        {"WC.resources.requests.memory": "8Gi"},
        "WC.resources.requests.memory",
        {"WC.resources.requests.cpu": "2"},
    ),
    Case("request-over-limit", {"WC.resources.requests.cpu": "4500m"}, "WC.resources.requests.cpu"),
    Case(
        "gpu-limit",
        {'GC.resources.requests["nvidia.com/gpu"]': 2},
        'GC.resources.requests["nvidia.com/gpu"]',
        {'GC.resources.requests["nvidia.com/gpu"]': 1},
    ),
    Case("gpu-params-without-limit", {"W.rayStartParams.num-gpus": "1"}, "W.rayStartParams.num-gpus"),
    Case(
        "head-memory",
        {"HC.resources.limits.memory": "1Gi", "HC.resources.requests.memory": "1Gi"},
        "HC.resources.limits.memory",
    ),
    Case("head-takes-replicas", {"H.rayStartParams": {}}, "H.rayStartParams.num-cpus"),
]
PODS = [
    Case(
        "own-command",
        {"WC.args": ["ray start --address=$HEAD"]},
        "WC.args",
        {"WC.args": ["ray start"], 'metadata.annotations["ray.io/overwrite-container-cmd"]': "true"},
    ),
    Case("operator-variable", {"WC.env[0].name": "RAY_CLUSTER_NAME"}, "WC.env[0]"),
    Case("operator-variable", {"WC.env[0].name": "KUBERAY_GEN_X"}, "WC.env[0]"),
    Case(
        "service-selector-label",
        {'H.template.metadata.labels["app.kubernetes.io/name"]': "shop"},
        'H.template.metadata.labels["app.kubernetes.io/name"]',
        # A worker's labels may be its own: the service selects the head.
        {'W.template.metadata.labels["app.kubernetes.io/name"]': "shop"},
    ),
    Case(
        "label-written-over",
        {'W.template.metadata.labels["ray.io/group"]': "x"},
        'W.template.metadata.labels["ray.io/group"]',
    ),
    Case(
        "unknown-annotation",
        {'metadata.annotations["ray.io/initialising-timeout"]': "30m"},
        'metadata.annotations["ray.io/initialising-timeout"]',
        {'metadata.annotations["ray.io/initializing-timeout"]': "30m"},
    ),
    Case("toleration-form", {"GP.tolerations[0].operator": "Exist"}, "GP.tolerations[0].operator", says="mean Exists?"),
    Case("toleration-form", {"GP.tolerations[0].value": "present"}, "GP.tolerations[0].value"),
    Case(
        "spread-blocks",
        {"WP.topologySpreadConstraints": [{"whenUnsatisfiable": "DoNotSchedule"}]},
        "WP.topologySpreadConstraints[0].whenUnsatisfiable",
        {"WP.topologySpreadConstraints": [{"whenUnsatisfiable": "ScheduleAnyway"}]},
    ),
]
PORTS = [
    Case("dashboard-port", {"HC.ports[1].name": "board"}, "HC.ports", {"HC.ports": []}),
    Case(
        "dashboard-port",
        {"spec.rayClusterSpec.headGroupSpec.template.spec.containers[0].ports[1].name": "board"},
        "spec.rayClusterSpec.headGroupSpec.template.spec.containers[0].ports",
        base="job",
    ),
    Case("serve-port", {"HC.ports[3].name": "http"}, "HC.ports", {"HC.ports[3].name": "serve-http"}),
    Case("head-ports-incomplete", {"HC.ports[0]": DROP}, "HC.ports"),
    Case("port-name", {"WC.ports": [{"name": "autoscaler-metrics", "containerPort": 1}]}, "WC.ports[0].name"),
    Case(
        "serve-port-mismatch",
        {"spec.serveConfigV2.http_options.port": 8001},
        "spec.serveConfigV2.http_options.port",
        {"spec.serveConfigV2.http_options.port": 8001, "HC.ports[3].containerPort": 8001},
    ),
    Case(
        "no-endpoint",
        {"spec.serveConfigV2.proxy_location": "HeadOnly"},
        "spec.serveConfigV2.proxy_location",
        {"spec.serveConfigV2.proxy_location": "HeadOnly", "spec.excludeHeadPodFromServeSvc": False},
    ),
    Case(
        "listens-on-loopback",
        {"spec.serveConfigV2.http_options.host": "127.0.0.1"},
        "spec.serveConfigV2.http_options.host",
    ),
    Case("listens-on-loopback", {"H.rayStartParams.dashboard-host": "127.0.0.1"}, "H.rayStartParams.dashboard-host"),
]
PROBES = [
    Case("probe-handler", {"WC.readinessProbe": {"periodSeconds": 5}}, "WC.readinessProbe"),
    Case("probe-handler", {"WC.readinessProbe.tcpSocket": {"port": 1}}, "WC.readinessProbe"),
    Case(
        "probe-port",
        {"WC.readinessProbe.httpGet.port": "serve"},
        "WC.readinessProbe.httpGet.port",
        {"HC.readinessProbe.httpGet.port": "serve"},
    ),
    Case(
        "worker-probe-needs-wget",
        {"WC.readinessProbe": DROP, "WC.image": "rayproject/ray:2.60.0-slim"},
        "WC.image",
        {"WC.image": "rayproject/ray:2.60.0-slim"},
    ),
    Case(
        "worker-probe-needs-wget",
        {"WC.readinessProbe": DROP, "WC.image": "registry.io:5000/shop:1-slim@sha256:0"},
        "WC.image",
        {"WC.readinessProbe": DROP, "WC.image": "registry.io:5000/slim/slimmer:2-slimmed@sha256:0"},
    ),
    Case(
        "workers-without-proxy",
        {"WC.readinessProbe": DROP, "spec.serveConfigV2.proxy_location": "HeadOnly"},
        "spec.serveConfigV2.proxy_location",
        {"spec.serveConfigV2.proxy_location": "HeadOnly"},
    ),
    Case("worker-probe-default", {"WC.readinessProbe": DROP}, "WC.readinessProbe"),
    Case(
        "probe-before-health-path",
        {"C.rayVersion": "2.52.0", "WC.livenessProbe": {"httpGet": {"path": "/api/healthz", "port": 52365}}},
        "WC.livenessProbe.httpGet.path",
        {"WC.livenessProbe": {"httpGet": {"path": "/api/healthz", "port": 52365}}},
    ),
]
UPGRADES = [
    Case("upgrade-type", {"spec.upgradeStrategy.type": "Rolling"}, "spec.upgradeStrategy.type"),
    Case("upgrade-type", {"spec.upgradeStrategy.type": "newcluster"}, "spec.upgradeStrategy.type", says="mean NewCl"),
    Case(
        "upgrade-options",
        incremental(stepSizePercent=60, maxSurgePercent=50),
        "spec.upgradeStrategy.clusterUpgradeOptions.stepSizePercent",
        incremental(stepSizePercent=50, maxSurgePercent=50),
    ),
    Case(
        "upgrade-options",
        {"spec.upgradeStrategy.type": INCREMENTAL},
        "spec.upgradeStrategy.clusterUpgradeOptions",
        incremental(),
    ),
    Case(
        "upgrade-needs-autoscaler",
        {**incremental(), "C.enableInTreeAutoscaling": False},
        "C.enableInTreeAutoscaling",
        incremental(),
    ),
    Case(
        "upgrade-options-unused",
        {"spec.upgradeStrategy": {"type": "NewCluster", "clusterUpgradeOptions": STEPS}},
        "spec.upgradeStrategy.clusterUpgradeOptions",
        incremental(),
    ),
    Case("deletion-delay", {"spec.rayClusterDeletionDelaySeconds": -1}, "spec.rayClusterDeletionDelaySeconds"),
    Case("cluster-upgrade-strategy", {"C.upgradeStrategy.type": "Recreate"}, "C.upgradeStrategy.type"),
    Case(
        "cluster-upgrade-strategy",
        {"spec.upgradeStrategy.type": "Rolling"},
        "spec.upgradeStrategy.type",
        {"spec.upgradeStrategy.type": "Recreate"},
        base="cluster",
    ),
    Case(
        "head-service-name",
        {"H.headService.metadata.name": "mine"},
        "H.headService.metadata.name",
        {"H.headService.metadata.labels": {"a": "b"}},
    ),
    Case(
        "ingress-options-unused",
        {"H.ingressOptions": {"host": "shop.example.com"}},
        "H.ingressOptions",
        {"H.ingressOptions": {"host": "shop.example.com"}, "H.enableIngress": True},
    ),
    Case(
        "serve-service-ignored",
        {"spec.serveService.spec.selector": {"a": "b"}},
        "spec.serveService.spec.selector",
        {"spec.serveService.spec.type": "NodePort"},
    ),
    Case("deprecated-field", {"spec.serviceUnhealthySecondThreshold": 900}, "spec.serviceUnhealthySecondThreshold"),
    Case(
        "initializing-timeout-form",
        {'metadata.annotations["ray.io/initializing-timeout"]': "half an hour"},
        'metadata.annotations["ray.io/initializing-timeout"]',
        {'metadata.annotations["ray.io/initializing-timeout"]': "1h30m"},
    ),
    Case(
        "initializing-timeout-terminal",
        {'metadata.annotations["ray.io/initializing-timeout"]': "600"},
        'metadata.annotations["ray.io/initializing-timeout"]',
    ),
    Case("head-excluded", {"H.rayStartParams.num-cpus": "2"}, "spec.excludeHeadPodFromServeSvc"),
]
CASES = [*FIELDS, *NAMES, *VERSIONS, *GROUPS, *AUTOSCALING, *RESOURCES, *PODS, *PORTS, *PROBES, *UPGRADES]
