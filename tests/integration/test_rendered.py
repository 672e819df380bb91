"""A rendered service on local Ray nodes that stand for its pods: as many, as large, with the environment of each.

The `serveConfigV2` of the manifest is what `serve run` gets. A group of accelerators is played by a custom resource.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil
import pytest
import yaml
from ray.cluster_utils import Cluster

from kuberay.platform_file import read_platform
from kuberay.render.rayservice import rayservice
from kuberay.settings import load_cluster_settings
from serve_app.launch.leave import leave, node_id

ROOT = Path(__file__).parents[2]
PORT = 8127
URL = f"http://127.0.0.1:{PORT}"
START_LIMIT_S = 120.0
LEAVE_LIMIT_S = 60.0

MACHINE = {"cpus": 1, "reserved_cpus": 0, "memory_bytes": "2Gi", "reserved_memory_bytes": "512Mi"}
GROUPS = [
    {"name": "cpu", "machine": MACHINE, "min_nodes": 3, "max_nodes": 3},
    {"name": "accelerated", "machine": MACHINE, "min_nodes": 1, "resources": {"accelerator": 1}},
]
MODELS = [
    {"name": "echo", "pools": [{"num_cpus": 0.6, "num_replicas": 2}]},
    {"name": "digits", "pools": [{"name": "accelerated", "num_cpus": 0.1, "resources": {"accelerator": 0.5}}]},
]
REQUEST = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}


class Nodes(NamedTuple):
    """The running cluster.

    Attributes:
        address: Of its control state.
        raylets: Of each group's nodes, by its name.
    """

    address: str
    raylets: dict[str, list[psutil.Process]]

    def with_replica(self, deployment: str) -> dict[str, psutil.Process]:
        """Group to the raylet of one of its nodes, where a replica of a deployment runs."""
        title = f"ray::ServeReplica:headrace:{deployment}"
        return {
            group: raylet
            for group, raylets in self.raylets.items()
            for raylet in raylets
            if any(" ".join(child.cmdline()).startswith(title) for child in raylet.children())
        }


def manifest(folder: Path) -> dict[str, Any]:
    application = {
        "name": "headrace",
        "route_prefix": "/",
        "import_path": "serve_app.app:build_app",
        "args": {"models": MODELS, "router": {"num_replicas": 2, "num_cpus": 0.2}, "drain_s": 10},
    }
    # Pods have an address each; these nodes share one, so one of them has the proxy.
    served = {"proxy_location": "HeadOnly", "http_options": {"port": PORT}, "applications": [application]}
    (folder / "platform.yaml").write_text(yaml.safe_dump(served))
    ports = {"RAY_SERVE_HAPROXY_METRICS_PORT": "9127", "RAY_SERVE_HAPROXY_STATS_PORT": "8427"}
    cluster = {"platform": "platform.yaml", "images": {"cpu": "none"}, "groups": GROUPS, "environment": ports}
    (folder / "cluster.yaml").write_text(yaml.safe_dump(cluster))
    settings = load_cluster_settings(folder / "cluster.yaml")
    return rayservice(settings, read_platform(settings, folder))


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    folder = tmp_path_factory.mktemp("rendered")
    service = manifest(folder)
    config = folder / "serve.yaml"
    config.write_text(service["spec"]["serveConfigV2"])
    head, *_ = _containers(service)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("RAY_", "HEADRACE_"))}
    environment |= {variable["name"]: variable["value"] for variable in head["env"]} | {"RAY_AUTH_MODE": "disabled"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setenv("PYTHONPATH", str(ROOT))
        with _cluster(service) as started, _serving(started.address, config, folder / "serve.log"):
            yield started


def _containers(service: dict[str, Any]) -> list[dict[str, Any]]:
    ray = service["spec"]["rayClusterConfig"]
    groups = (ray["headGroupSpec"], *ray["workerGroupSpecs"])
    return [group["template"]["spec"]["containers"][0] for group in groups]


@contextmanager
def _cluster(service: dict[str, Any]) -> Iterator[Nodes]:
    ray = service["spec"]["rayClusterConfig"]
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": int(ray["headGroupSpec"]["rayStartParams"]["num-cpus"])}
    )
    try:
        ids: dict[str, list[str]] = {}
        for group, container in zip(ray["workerGroupSpecs"], _containers(service)[1:], strict=True):
            resources = {name: float(amount) for name, amount in group.get("resources", {}).items()}
            for _ in range(group["replicas"]):
                node = cluster.add_node(num_cpus=int(container["resources"]["requests"]["cpu"]), resources=resources)
                ids.setdefault(group["groupName"], []).append(node.node_id)
        by_id = {
            node_id(one.cmdline()): one for one in psutil.Process().children(recursive=True) if one.name() == "raylet"
        }
        yield Nodes(cluster.address, {group: [by_id[one] for one in found] for group, found in ids.items()})
    finally:
        cluster.shutdown()


@contextmanager
def _serving(address: str, config: Path, log: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "ray.serve.scripts", "run", "--address", address, str(config)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline_s = time.monotonic() + START_LIMIT_S
        while not _is_ready():
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < deadline_s, log.read_text()[-3000:]
            time.sleep(0.25)
        yield
    finally:
        process.terminate()
        process.wait(60.0)


def _is_ready() -> bool:
    try:
        return httpx.get(f"{URL}/v2/health/ready", timeout=2.0).status_code == 200
    except httpx.HTTPError:
        return False


def test_each_pool_lands_on_the_group_that_has_its_resources(nodes: Nodes) -> None:
    assert nodes.with_replica("digits-v1-accelerated").keys() == {"accelerated"}
    assert "cpu" in nodes.with_replica("echo-v1-cpu")
    assert httpx.post(f"{URL}/v2/models/echo/infer", json=REQUEST).status_code == 200


def test_a_node_that_leaves_as_its_pod_would_loses_no_request(nodes: Nodes) -> None:
    raylet = nodes.with_replica("echo-v1-cpu")["cpu"]
    answers: Counter[int | str] = Counter()
    over = threading.Event()

    def ask() -> None:
        with httpx.Client(timeout=30.0) as client:
            while not over.is_set():
                try:
                    answers[client.post(f"{URL}/v2/models/echo/infer", json=REQUEST).status_code] += 1
                except httpx.HTTPError as error:
                    answers[repr(error)] += 1

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    try:
        left = leave(raylet, nodes.address, LEAVE_LIMIT_S)
    finally:
        over.set()
        for asker in askers:
            asker.join()
    assert left, "the raylet ended by itself, once nothing of it was in use"
    assert answers.keys() == {200}, answers
