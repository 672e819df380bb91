"""The words of a plan, as they are printed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.kuberay.plan.planned import planned
from tests.unit.kuberay.plan.services import changed, group, service, with_platform

GROUPS = ("spec", "rayClusterConfig", "workerGroupSpecs")
OLD = service()
CPU, GPU = OLD["spec"]["rayClusterConfig"]["workerGroupSpecs"]
POOL = ("applications", 0, "args", "models", 0, "pools", 0)

FITS = """\
At the minimum: 4 replicas fit on 1 cpu + 1 gpu nodes (1 GPU), $1.90 an hour without the head
At the maximum: 11 replicas fit on 1 cpu + 4 gpu nodes (4 GPUs), $6.40 an hour without the head
"""
GOLDEN: dict[str, tuple[dict[str, Any], int, str]] = {
    "nothing": (OLD, 0, "Nothing changes.\n" + FITS),
    "a maximum that is too small": (
        changed(OLD, *GROUPS, 1, "maxReplicas", value=3),
        2,
        """\
Ignored by KubeRay without a word
  workerGroupSpecs[gpu].maxReplicas: 4 -> 3
    because: KubeRay leaves it out of what it compares, so it never reaches the live RayCluster
    so: `apply` writes it to the live RayCluster headrace-x7k2p as well
At the minimum: 4 replicas fit on 1 cpu + 1 gpu nodes (1 GPU), $1.90 an hour without the head
At the maximum: 2 of 11 replicas stay pending beside 1 cpu + 3 gpu nodes (3 GPUs), $4.90 an hour without the head
  minilm-v1-gpu: 2 of 8 replicas stay pending: every gpu node holds 2, max_nodes 3 of group gpu; raise max_nodes of \
gpu to 4
""",
    ),
    "an image": (
        changed(OLD, *GROUPS, 1, "template", "spec", "containers", 0, "image", value="headrace:2"),
        0,
        """\
New cluster: KubeRay makes a second cluster of full size, waits until its applications run, then switches
  workerGroupSpecs[gpu].template.spec.containers[ray-worker].image: headrace:1 -> headrace:2
    because: KubeRay compares it: with anything different it is another cluster
Nodes for two clusters
  it starts with 1 cpu + 1 gpu nodes (1 GPU) of its own
  both together, at rest: 2 cpu + 2 gpu nodes (2 GPUs), $3.80 an hour without the head
  both together, under full load: 2 cpu + 5 gpu nodes (5 GPUs), $8.30 an hour without the head
  under full load that is 5 of group gpu (max_nodes 4): new pods wait where the provider's groups end; do it at rest
"""
        + FITS,
    ),
    "a group at the end": (
        changed(OLD, *GROUPS, value=[CPU, GPU, group("spot", 0, 3)]),
        0,
        """\
The live cluster takes it in place
  workerGroupSpecs[spot]: appended
    because: a group at the end of the list is added to the live cluster; no running pod is touched
  workerGroupSpecs[cpu].replicas: as the autoscaler has it -> 1
  workerGroupSpecs[gpu].replicas: as the autoscaler has it -> 1
    because: the whole spec is written, so nodes above this number go, and come back when replicas wait for them
    so: append groups while the load is low
"""
        + FITS,
    ),
    "an option of the platform": (
        with_platform(OLD, *POOL, "autoscaling", "min_replicas", value=2),
        0,
        """\
Replicas restart, on the live cluster
  headrace: args.models[minilm].pools[gpu].autoscaling.min_replicas: 1 -> 2
    because: it is part of the application's code version, which all of its deployments share
  headrace: TelemetryHub: 1 replica
    because: restarts, one fifth of its replicas at a time; while it has one replica, none answers until the next one \
is up: Serve stops it first
  headrace: minilm-v1-gpu: 1 to 8 replicas -> 2 to 8 replicas
    because: restarts, one fifth of its replicas at a time; while it has one replica, none answers until the next one \
is up: Serve stops it first
    so: keep two replicas or more through the change, or make it when nobody asks
  headrace: Router: 2 replicas
    because: restarts, one fifth of its replicas at a time
At the minimum: 5 replicas fit on 1 cpu + 1 gpu nodes (1 GPU), $1.90 an hour without the head
At the maximum: 11 replicas fit on 1 cpu + 4 gpu nodes (4 GPUs), $6.40 an hour without the head
""",
    ),
    "a strategy that ignores it": (
        changed(service(upgradeStrategy={"type": "None"}), "spec", "rayClusterConfig", "rayVersion", value="2.61.0"),
        2,
        """\
Nothing would happen
  rayVersion: 2.60.0 -> 2.61.0
    because: upgradeStrategy None: KubeRay changes nothing, and its status says Ready all the same
    so: set upgrade.strategy to new-cluster for this change if there are nodes for two clusters; else, in a \
maintenance window, `python -m kuberay delete` and `apply`
In place, no replica restarts
  upgradeStrategy.type: NewCluster -> None
    because: read at the next change that needs a new cluster, which may be this one
"""
        + FITS,
    ),
}


@pytest.mark.parametrize(("new", "status", "text"), GOLDEN.values(), ids=GOLDEN.keys())
def test_the_words(new: dict[str, Any], status: int, text: str) -> None:
    plan = planned(OLD, new)
    assert "\n".join(plan.lines()) + "\n" == "RayService serving/headrace\n" + text
    assert plan.status == status


PENDING: dict[str, tuple[dict[str, Any], str]] = {
    "no GPU anywhere": (
        changed(OLD, *GROUPS, value=[CPU]),
        "minilm-v1-gpu: 8 of 8 replicas stay pending: no group has a GPU; add a group whose machine has gpus",
    ),
    "a fraction above one": (
        with_platform(OLD, *POOL, "num_gpus", value=1.5),
        "minilm-v1-gpu: 8 of 8 replicas stay pending: Ray refuses 1.5 GPUs, above one only whole ones; set num_gpus to "
        "1 or 2",
    ),
    "a machine that is too small": (
        with_platform(OLD, *POOL, "num_cpus", value=12),
        "minilm-v1-gpu: 8 of 8 replicas stay pending: it asks for 12 CPUs, the largest node, of group cpu, has 8 CPUs; "
        "take a larger machine, or ask for less",
    ),
    "a resource that no group has": (
        with_platform(OLD, *POOL, "resources", value={"fast": 0.5}),
        "minilm-v1-gpu: 8 of 8 replicas stay pending: no group has the resource fast; add resources: {fast: 1} to a "
        "group, or take it out of the pool's resources",
    ),
    "no group has all of it": (
        changed(
            with_platform(OLD, *POOL, "resources", value={"fast": 0.5}),
            *GROUPS,
            0,
            value={**CPU, "resources": {"fast": "1"}},
        ),
        "minilm-v1-gpu: 8 of 8 replicas stay pending: no group has all that it asks for: cpu lacks a GPU; gpu lacks "
        "the resource fast; change a group, or what it asks for",
    ),
    "remainders of two GPUs": (
        changed(
            with_platform(OLD, *POOL, "num_gpus", value=0.6),
            *GROUPS,
            1,
            value={**GPU, "resources": {"GPU": "2"}, "maxReplicas": 1},
        ),
        "minilm-v1-gpu: 6 of 8 replicas stay pending: Ray adds up what is free of the GPUs of a gpu node (0.4 + 0.4) "
        "and waits for it instead of asking for another, but no single GPU has 0.6; use shares that fill a GPU (1, "
        "0.5, 0.25), or machines with one GPU",
    ),
    "a pool that waits for a GPU": (
        changed(with_platform(OLD, *POOL, "start", value="auto"), *GROUPS, 1, "minReplicas", value=0),
        "minilm-v1-gpu: never starts: it waits for a GPU (start: auto), and no group with GPUs has nodes at the start; "
        "set start: always, or min_nodes of at least 1",
    ),
    "an order in which it does not fit": (
        changed(OLD, *GROUPS, 1, value={**GPU, "resources": {"CPU": "4"}}),
        "minilm-v1-gpu: fits in the orders tried, but not in every one: when Router, TelemetryHub take room on "
        "gpu nodes first, one may wait; raise max_nodes of gpu to 5 to rule it out",
    ),
}


@pytest.mark.parametrize(("new", "line"), PENDING.values(), ids=PENDING.keys())
def test_what_finds_no_node_is_named_with_the_reason_and_what_helps(new: dict[str, Any], line: str) -> None:
    assert "  " + line in list(planned(None, new).lines())


def test_the_plan_for_programs_says_the_same() -> None:
    plan = planned(OLD, changed(OLD, *GROUPS, 1, "maxReplicas", value=3))
    found = json.loads(json.dumps(plan.as_json()))
    assert found["status"] == 2
    (change,) = found["changes"]
    assert (change["effect"], change["rule"]) == ("ignored", "not-compared")
    (pending,) = found["at_max"]["pending"]
    assert (pending["deployment"], pending["num_pending"]) == ("minilm-v1-gpu", 2)
    assert found["at_max"]["enough_max_nodes"] == {"gpu": 4}
    assert found["before"]["at_max"] == {"num_nodes": {"cpu": 1, "gpu": 4}, "price_per_hour": 6.4}
