"""What the platform's manifests expect to find in the cluster: KubeRay's operator, Prometheus' and NVIDIA's plugin."""

from __future__ import annotations

import json

from kuberay.placement import GROUP_LABEL, SYSTEM_NODES, place
from kuberay.settings import ClusterSettings
from kuberay.terraform import versions
from kuberay.terraform.document import Document

OPERATOR_NAMESPACE = "kuberay-system"


def charts(settings: ClusterSettings) -> Document:
    """Install the charts.

    Helm installs the operator's CRDs and never upgrades them: before a newer `kuberay_version` they are applied by
    hand, by server-side apply.
    """
    releases = {"kuberay": _operator(settings)}
    if any(group.machine.gpus for group in settings.groups):
        releases["nvidia"] = _device_plugin(settings)
    if settings.monitoring.enabled:
        releases["prometheus"] = _prometheus(settings)
    return {"resource": {"helm_release": releases}}


def _operator(settings: ClusterSettings) -> Document:
    return {
        "name": "kuberay-operator",
        "namespace": OPERATOR_NAMESPACE,
        "create_namespace": True,
        "repository": "https://ray-project.github.io/kuberay-helm/",
        "chart": "kuberay-operator",
        "version": settings.kuberay_version,
        "values": [json.dumps({"nodeSelector": SYSTEM_NODES}, sort_keys=True)],
        "depends_on": ["aws_eks_node_group.system", "aws_eks_addon.coredns"],
    }


def _prometheus(settings: ClusterSettings) -> Document:
    """Prometheus, Alertmanager and Grafana: without their kinds no PodMonitor and no rule can be applied."""
    here = {"nodeSelector": SYSTEM_NODES}
    values = {
        "alertmanager": {"alertmanagerSpec": here},
        "grafana": here,
        "kube-state-metrics": here,
        "prometheus": {"prometheusSpec": here},
        "prometheusOperator": here | {"admissionWebhooks": {"patch": here}},
        # EKS shows these to nobody.
        **{name: {"enabled": False} for name in ("kubeControllerManager", "kubeEtcd", "kubeScheduler")},
    }
    return {
        # By its name it selects monitors and rules.
        "name": settings.monitoring.labels.get("release", "prometheus"),
        "namespace": "monitoring",
        "create_namespace": True,
        "repository": "https://prometheus-community.github.io/helm-charts",
        "chart": "kube-prometheus-stack",
        "version": versions.PROMETHEUS_CHART,
        "values": [json.dumps(values, sort_keys=True)],
        "depends_on": ["aws_eks_node_group.system", "aws_eks_addon.coredns"],
    }


def _device_plugin(settings: ClusterSettings) -> Document:
    gpu = [place(group, settings.provider) for group in settings.groups if group.machine.gpus]
    tolerations = {json.dumps(one, sort_keys=True): one for placement in gpu for one in placement.tolerations}
    names = [group.name for group in settings.groups if group.machine.gpus]
    term = {"matchExpressions": [{"key": GROUP_LABEL, "operator": "In", "values": names}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}
    # Its own default waits for labels of the feature discovery, which is not installed: our groups are known.
    values = {"affinity": affinity, "tolerations": list(tolerations.values())}
    return {
        "name": "nvidia-device-plugin",
        "namespace": "kube-system",
        "repository": "https://nvidia.github.io/k8s-device-plugin",
        "chart": "nvidia-device-plugin",
        "version": versions.NVIDIA_DEVICE_PLUGIN_CHART,
        "values": [json.dumps(values, sort_keys=True)],
        "depends_on": ["aws_eks_node_group.system"],
    }
