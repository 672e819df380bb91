"""How Kubernetes sees whether a Ray pod is well, and whether it takes requests: pure.

KubeRay's own probe of a worker needs bash and wget in the image, and fails at the first slow answer. Ready must stay
what it is, though: KubeRay puts every worker behind the service, and readiness alone takes one out. A pod without a
replica has no proxy, and requests that were sent to it would be refused; so it is not ready, and nothing waits for it.
"""

from __future__ import annotations

from typing import Any

from kuberay.render.versions import Known

READY_PERIOD_S = 5

_AGENT_PORT = 52365
_DASHBOARD_PORT = 8265


def worker_probes(known: Known) -> dict[str, Any]:
    """Ready while its proxy passes requests on; alive while its raylet is."""
    probes: dict[str, Any] = {
        "readinessProbe": _get("serve", "/-/healthz", delay_s=5, period_s=READY_PERIOD_S, num_failures=2, limit_s=3)
    }
    if not known.one_probe:
        # As KubeRay's, but by HTTP; from Ray 2.53 on KubeRay's is.
        probes["livenessProbe"] = _get(_AGENT_PORT, "/api/local_raylet_healthz", 30, 5, 120, 2)
    return probes


def head_probes(known: Known) -> dict[str, Any]:
    """KubeRay's own where they need nothing of the image, else of the same limits."""
    if known.one_probe:
        return {}
    path = "/api/gcs_healthz"
    return {
        "readinessProbe": _get(_DASHBOARD_PORT, path, delay_s=10, period_s=5, num_failures=10, limit_s=5),
        "livenessProbe": _get(_DASHBOARD_PORT, path, delay_s=30, period_s=5, num_failures=120, limit_s=5),
    }


def _get(port: int | str, path: str, delay_s: int, period_s: int, num_failures: int, limit_s: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": port},
        "initialDelaySeconds": delay_s,
        "periodSeconds": period_s,
        "failureThreshold": num_failures,
        "timeoutSeconds": limit_s,
    }
