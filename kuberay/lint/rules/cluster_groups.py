"""Node groups of cluster settings against what the platform's pools ask for."""

from __future__ import annotations

from collections.abc import Iterator

from kuberay.lint.bundle import Bundle
from kuberay.lint.cluster import both_of, groups_of, settings_of
from kuberay.lint.document import Document
from kuberay.lint.finding import Problem, Rule
from kuberay.lint.suggest import closest
from kuberay.placement import GPU_TAINT
from kuberay.settings import NodeGroup
from kuberay.workload import starts_anywhere


def _gpu_pools(document: Document, bundle: Bundle) -> Iterator[Problem]:
    both = both_of(document)
    if both is None or any(group.machine.gpus for group in both[0].groups):
        return
    for model in both[1].models:
        for pool in model.pools:
            # One that waits for a GPU does not start, and leaves its model to the others.
            if pool.device == "gpu" and (pool.start == "always" or not any(map(starts_anywhere, model.pools))):
                sentence = f"model '{model.name}' has the GPU pool '{pool.name}', and no group has a GPU"
                yield Problem(document.root.at("groups"), sentence)


def _idle_gpus(document: Document, bundle: Bundle) -> Iterator[Problem]:
    both = both_of(document)
    if both is None or any(pool.device == "gpu" for model in both[1].models for pool in model.pools):
        return
    for index, group in enumerate(both[0].groups):
        if group.machine.gpus:
            yield Problem(document.root.at("groups", index), f"group '{group.name}' has GPUs, and no pool asks for one")


def _waiting(document: Document, bundle: Bundle) -> Iterator[Problem]:
    both = both_of(document)
    gpu_groups = [group for group in both[0].groups if group.machine.gpus] if both is not None else []
    if both is None or not gpu_groups or any(group.min_nodes for group in gpu_groups):
        return
    for model in both[1].models:
        for pool in model.pools:
            if pool.device == "gpu" and pool.start == "auto":
                sentence = f"pool '{pool.name}' of model '{model.name}' starts only where a GPU is there already"
                yield Problem(document.root.at("groups"), f"{sentence}, and at rest there is none")


def _taints(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for index, group in groups_of(document):
        for position, taint in enumerate(group.taints):
            place = document.root.at("groups", index, "taints", position)
            if taint.key == GPU_TAINT.key and not group.machine.gpus:
                sentence = f"group '{group.name}' has no GPU and the taint {taint.key}: its pods will tolerate it"
                yield Problem(place, sentence, "remove the taint, or give the machine its gpus")
            elif taint.key != GPU_TAINT.key and closest(taint.key, [GPU_TAINT.key]):
                sentence = f"the taint {taint.key} is not {GPU_TAINT.key}"
                fix = f"did you mean {GPU_TAINT.key}? a GPU group carries that by itself"
                yield Problem(place, sentence, fix)
            elif taint.key == GPU_TAINT.key and taint.effect != "NoSchedule":
                yield Problem(place, f"the taint {taint.key} has the effect {taint.effect}", "use NoSchedule")


def _gpu_image(document: Document, bundle: Bundle) -> Iterator[Problem]:
    settings = settings_of(document)
    if settings is not None and settings.images.gpu is None and any(g.machine.gpus for g in settings.groups):
        yield Problem(document.root.at("images", "gpu"), "groups with a GPU run the CPU image")


def _unused(document: Document, bundle: Bundle) -> Iterator[Problem]:
    both = both_of(document)
    asked = {name for model in both[1].models for pool in model.pools for name in pool.resources} if both else set()
    for index, group in groups_of(document) if both is not None else []:
        for name in group.resources:
            if name not in asked:
                meant = closest(name, asked)
                fix = f"did you mean {meant}?" if meant else None
                place = document.root.at("groups", index, "resources", name)
                yield Problem(place, f"no pool asks for '{name}' of group '{group.name}'", fix)


def _spot_last(document: Document, bundle: Bundle) -> Iterator[Problem]:
    groups = groups_of(document)
    for index, group in groups:
        base = [other for _, other in groups if other.market == "on-demand" and _alike(other, group)]
        highest = max(((other.priority or 0) for other in base), default=0)
        if group.market == "spot" and (group.priority or 0) <= highest:
            yield Problem(document.root.at("groups", index), f"nothing makes the spot group '{group.name}' come first")


def _alike(one: NodeGroup, other: NodeGroup) -> bool:
    return bool(one.machine.gpus) == bool(other.machine.gpus)


RULES = (
    Rule(
        "gpu-pool-without-group",
        "error",
        "Replicas of a GPU pool wait for a node with a GPU, which nothing will ever add.",
        "add a group whose machine has gpus, or remove the pool",
        _gpu_pools,
    ),
    Rule(
        "gpu-group-without-pool",
        "warning",
        "Nodes with GPUs that nobody asks for cost their price.",
        "remove the group, or give a model a pool with device: gpu",
        _idle_gpus,
    ),
    Rule(
        "gpu-pool-never-starts",
        "error",
        "A pool with start: auto exists only if the cluster has a GPU at the moment the platform is deployed.",
        "set start: always, or min_nodes of a GPU group to 1",
        _waiting,
    ),
    Rule(
        "settings-taint",
        "error",
        "GPU groups carry the accelerator's taint, which only GPU pods tolerate; another key or place undoes that.",
        "remove it: GPU groups have theirs already",
        _taints,
    ),
    Rule(
        "gpu-image-missing",
        "warning",
        "The CPU image has no CUDA libraries: replicas of GPU pools fail when they load.",
        "set images.gpu",
        _gpu_image,
    ),
    Rule(
        "unused-resource",
        "warning",
        "A resource that no pool asks for keeps no replica and draws none.",
        "remove it, or let a pool ask for it",
        _unused,
    ),
    Rule(
        "spot-not-first",
        "warning",
        "Of groups that fit, the autoscaler takes the one of the highest priority; without one it may take on-demand.",
        "give the spot group a priority over that of the on-demand group",
        _spot_last,
    ),
)
