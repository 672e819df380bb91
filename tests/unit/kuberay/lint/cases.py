"""Manifests with nothing wrong in them, small edits of them, and what a rule says to an edit."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from kuberay.lint.document import read_documents
from kuberay.lint.finding import Finding
from kuberay.lint.run import find

DROP = object()
"""As a value in an edit: the key goes."""

Edits = Mapping[str, Any]

SHORT = {
    "C": "spec.rayClusterConfig",
    "H": "spec.rayClusterConfig.headGroupSpec",
    "HP": "spec.rayClusterConfig.headGroupSpec.template.spec",
    "HC": "spec.rayClusterConfig.headGroupSpec.template.spec.containers[0]",
    "W": "spec.rayClusterConfig.workerGroupSpecs[0]",
    "WP": "spec.rayClusterConfig.workerGroupSpecs[0].template.spec",
    "WC": "spec.rayClusterConfig.workerGroupSpecs[0].template.spec.containers[0]",
    "G": "spec.rayClusterConfig.workerGroupSpecs[1]",
    "GP": "spec.rayClusterConfig.workerGroupSpecs[1].template.spec",
    "GC": "spec.rayClusterConfig.workerGroupSpecs[1].template.spec.containers[0]",
    "A": "spec.serveConfigV2.applications[0]",
    "D": "spec.serveConfigV2.applications[0].deployments[0]",
}
"""First parts of paths: cluster, head, worker group, GPU group, their pods and containers; application, deployment."""

HEAD_PORTS = {"gcs-server": 6379, "dashboard": 8265, "client": 10001, "serve": 8000, "metrics": 8080}


def service() -> dict[str, Any]:
    """A RayService in which lint finds nothing: an on-demand CPU group and a GPU group, Redis, autoscaler v2."""
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"name": "shop", "namespace": "ml", "annotations": {}},
        "spec": {
            "serveConfigV2": serve(),
            "excludeHeadPodFromServeSvc": True,
            "rayClusterDeletionDelaySeconds": 120,
            "rayClusterConfig": {
                "rayVersion": "2.60.0",
                "enableInTreeAutoscaling": True,
                "autoscalerOptions": {"version": "v2"},
                "gcsFaultToleranceOptions": {"redisAddress": "redis:6379"},
                "headGroupSpec": {
                    "rayStartParams": {"num-cpus": "0"},
                    "template": _template("2", "8Gi", HEAD_PORTS),
                },
                "workerGroupSpecs": [
                    _group("cpu", 2, 6, _template("4", "16Gi")),
                    _group("gpu", 1, 3, _gpu_template()),
                ],
            },
        },
    }


def serve() -> dict[str, Any]:
    """A Serve config whose replicas fit the groups."""
    deployment = {
        "name": "Model",
        "max_ongoing_requests": 16,
        "autoscaling_config": {"min_replicas": 1, "max_replicas": 4, "target_ongoing_requests": 8},
        "ray_actor_options": {"num_cpus": 2},
    }
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": "0.0.0.0", "port": 8000},
        "applications": [
            {"name": "shop", "route_prefix": "/", "import_path": "shop.app:app", "deployments": [deployment]}
        ],
    }


def _group(name: str, least: int, most: int, template: dict[str, Any]) -> dict[str, Any]:
    bounds = {"minReplicas": least, "maxReplicas": most}
    return {"groupName": name, **bounds, "scaleStrategy": {}, "rayStartParams": {}, "template": template}


def _template(cpu: str, memory: str, ports: Mapping[str, int] | None = None) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": "ray",
        "image": "rayproject/ray:2.60.0-py311",
        "resources": {"limits": {"cpu": cpu, "memory": memory}, "requests": {"cpu": cpu, "memory": memory}},
        "readinessProbe": {"httpGet": {"path": "/-/healthz", "port": 8000}},
        "lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", "ray stop"]}}},
        "env": [{"name": "LEVEL", "value": "info"}],
        "ports": [{"name": name, "containerPort": number} for name, number in (ports or {}).items()],
    }
    spec = {"terminationGracePeriodSeconds": 60, "containers": [container]}
    return {"metadata": {"labels": {"app.kubernetes.io/instance": "shop"}}, "spec": spec}


def _gpu_template() -> dict[str, Any]:
    template = _template("4", "16Gi")
    template["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] = 1
    template["spec"]["tolerations"] = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    return template


def cluster() -> dict[str, Any]:
    """The same cluster alone."""
    base = service()
    return {**base, "kind": "RayCluster", "spec": base["spec"]["rayClusterConfig"]}


def job() -> dict[str, Any]:
    """A RayJob."""
    spec = {"entrypoint": "python run.py", "shutdownAfterJobFinishes": True, "ttlSecondsAfterFinished": 60}
    base = service()
    return {**base, "kind": "RayJob", "spec": {**spec, "rayClusterSpec": base["spec"]["rayClusterConfig"]}}


def cron() -> dict[str, Any]:
    """A RayCronJob."""
    spec = {"schedule": "*/5 0-6 1,15 jan-mar MON", "timeZone": "Europe/Berlin", "jobTemplate": job()["spec"]}
    return {**service(), "kind": "RayCronJob", "spec": spec}


def budget() -> dict[str, Any]:
    """A PodDisruptionBudget over the service's workers."""
    labels = {"app.kubernetes.io/instance": "shop", "ray.io/node-type": "worker"}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "workers"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": labels}},
    }


def monitor() -> dict[str, Any]:
    """A PodMonitor of the head."""
    spec = {"selector": {"matchLabels": {"ray.io/node-type": "head"}}, "podMetricsEndpoints": [{"port": "metrics"}]}
    head = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor", "metadata": {"name": "head"}}
    return {**head, "spec": spec}


BASES = {"service": service, "cluster": cluster, "job": job, "cron": cron, "budget": budget, "monitor": monitor}


@dataclass(frozen=True)
class Case:
    """One rule, an edit that breaks it, and one that does not.

    Attributes:
        at: Where the finding stands, in the short form.
        base: Which of the manifests is edited; the service stands beside others than it.
        says: Part of the finding's text.
    """

    rule: str
    bad: Edits
    at: str
    good: Edits = field(default_factory=dict)
    base: str = "service"
    kuberay: tuple[int, ...] = (1, 7, 1)
    says: str = ""

    def __str__(self) -> str:
        return f"{self.rule}: {', '.join(self.bad)}"


def check(case: Case) -> None:
    """Hold a rule to its case: found, at its place, in the bad manifest; not found in the good one."""
    found = [finding for finding in findings_of(case, case.bad) if finding.rule == case.rule]
    assert _long(case.at) in [finding.path for finding in found], found
    assert any(case.says in str(finding) for finding in found), found
    assert case.rule not in {finding.rule for finding in findings_of(case, case.good)}


def findings_of(case: Case, edits: Edits) -> list[Finding]:
    """What is found in a case's manifest after edits."""
    manifests = [edited(BASES[case.base](), edits)]
    if case.base in ("budget", "monitor"):
        manifests.append(service())
    return find_in(manifests, case.kuberay)


def find_in(manifests: Sequence[Mapping[str, Any]], kuberay: tuple[int, ...] | None = None) -> list[Finding]:
    """What is found in manifests that stand in one file."""
    return find(read_documents(as_yaml(manifests), "m.yaml"), kuberay)


def as_yaml(manifests: Sequence[Mapping[str, Any]]) -> str:
    """One file of manifests; a Serve config inside one becomes the text that it is there."""
    written = []
    for manifest in manifests:
        manifest = copy.deepcopy(dict(manifest))
        spec = manifest.get("spec")
        if isinstance(spec, dict) and isinstance(spec.get("serveConfigV2"), dict):
            spec["serveConfigV2"] = yaml.safe_dump(spec["serveConfigV2"], sort_keys=False)
        written.append(yaml.dump(manifest, Dumper=_Plain, sort_keys=False))
    return "---\n".join(written)


class _Plain(yaml.CSafeDumper):
    """No aliases; texts of several lines as blocks, as people write them."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.CSafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Plain.add_representer(str, _text)


def edited(manifest: dict[str, Any], edits: Edits) -> dict[str, Any]:
    """The manifest with values put in, or dropped, at paths."""
    for path, value in edits.items():
        *above, last = keys = keys_of(_long(path))
        place: Any = manifest
        for key, after in zip(above, keys[1:], strict=True):
            if isinstance(place, dict) and place.get(key) is None:
                place[key] = [] if isinstance(after, int) else {}
            place = place[key]
        if value is DROP:
            del place[last]
        elif isinstance(place, list) and last == len(place):
            place.append(copy.deepcopy(value))
        else:
            place[last] = copy.deepcopy(value)
    return manifest


def _long(path: str) -> str:
    first = re.match(r"[A-Z]+(?=\.|$|\[)", path)
    return SHORT[first[0]] + path[first.end() :] if first is not None else path


def keys_of(path: str) -> list[str | int]:
    """The keys of a path: names, indices, and what stands in [""]."""
    parts = re.findall(r'\["([^"]+)"\]|\[(\d+)\]|([^.\[]+)', path)
    return [quoted or (int(number) if number else name) for quoted, number, name in parts]
