"""CPUs, memory and GPUs of pods, by which Ray counts what a node has."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

from kuberay.lint.bundle import Bundle
from kuberay.lint.document import Document
from kuberay.lint.finding import Problem, Rule
from kuberay.lint.place import Place
from kuberay.lint.quantity import parse_amount
from kuberay.lint.views import Group, clusters_of, is_gpu

MIN_HEAD_BYTES = 2 * 2**30
RESOURCE_PARAMS = ("num-cpus", "num-gpus", "memory", "resources")


def _both(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.groups:
            named = [name for name in RESOURCE_PARAMS if group.param(name)]
            if named and group.place.at("resources").entries:
                sentence = f"{group.called} has resources, and rayStartParams with {', '.join(named)}"
                yield Problem(group.place.at("resources"), sentence)


def _start_labels(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.groups:
            if group.params.at("labels").given:
                yield Problem(group.params.at("labels"), f"{group.called} sets labels in rayStartParams")


def _start_resources(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.groups:
            place = group.params.at("resources")
            if place.text is not None and not _survives_shell(place.text):
                yield Problem(place, f"rayStartParams.resources of {group.called} is no JSON once a shell has read it")


def _start_quotes(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.groups:
            for name, place in group.params.entries.items():
                if place.text is not None and name != "resources" and not _is_shell(place.text):
                    yield Problem(place, f"rayStartParams.{name} of {group.called} has a quote without its other half")


def _is_shell(text: str) -> bool:
    try:
        shlex.split(text)
    except ValueError:
        return False
    return True


def _survives_shell(text: str) -> bool:
    try:
        words = shlex.split(text)
        return len(words) == 1 and isinstance(json.loads(words[0]), dict)
    except (ValueError, RecursionError):
        return False


def _worker_cpus(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.workers:
            if group.param("num-cpus"):
                yield Problem(group.params.at("num-cpus"), f"{group.called} sets num-cpus by hand")


def _no_cpu(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.groups:
            if group.containers and group.cpus is None:
                yield Problem(group.ray.at("resources"), f"{group.called} has neither a CPU limit nor a request")


def _no_memory(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.groups:
            if group.containers and group.memory_bytes is None:
                yield Problem(group.ray.at("resources", "limits", "memory"), f"{group.called} has no memory limit")


def _memory_apart(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.groups:
            request, limit = group.request("memory"), group.limit("memory")
            if request is not None and limit is not None and request < limit:
                sentence = f"{group.called} may use more memory than is kept for it"
                yield Problem(group.ray.at("resources", "requests", "memory"), sentence)


def _over(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.groups:
            for name, place in group.ray.at("resources", "requests").entries.items():
                request, limit = parse_amount(place.value), group.limit(name)
                if request is not None and limit is not None and request > limit:
                    yield Problem(place, f"{group.called} requests more {name} than its limit")


def _gpu_limit(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.groups:
            yield from _gpu_request(group)


def _gpu_request(group: Group) -> Iterator[Problem]:
    for name, place in group.ray.at("resources", "requests").entries.items():
        if not is_gpu(name):
            continue
        limit = group.limit(name)
        if limit is None:
            yield Problem(place, f"{group.called} requests {name} without a limit")
        elif parse_amount(place.value) != limit:
            yield Problem(place, f"{group.called} requests another number of {name} than its limit")
    for place in group.gpu_limits():
        amount = parse_amount(place.value)
        if amount is not None and amount != int(amount):
            yield Problem(place, f"{group.called} asks for a part of a GPU", "ask for whole ones; replicas share them")


def _gpu_told(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.groups:
            told: Place = group.params.at("num-gpus")
            if (parse_amount(told.value) or 0) > 0 and group.containers and not group.gpu_limits():
                yield Problem(told, f"{group.called} tells Ray of GPUs that its pod does not ask for")


def _head_memory(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        has = cluster.head.limit("memory")
        if has is not None and has < MIN_HEAD_BYTES:
            place = cluster.head.ray.at("resources", "limits", "memory")
            yield Problem(place, f"the head has {has / 2**30:.1f} GiB of memory")


def _head_cpus(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        head = cluster.head
        told = [parse_amount(place.value) for place in (head.params.at("num-cpus"), head.place.at("resources", "CPU"))]
        if cluster.kind == "RayService" and cluster.workers and head.place.given and 0 not in told:
            yield Problem(head.params.at("num-cpus"), "Ray may place replicas on the head")


RULES = (
    Rule(
        "resources-twice",
        "error",
        "The operator rejects a group that names resources both in rayStartParams and in resources.",
        "keep one of them",
        _both,
    ),
    Rule(
        "start-param-labels",
        "error",
        "The operator rejects rayStartParams.labels.",
        "write them into the group's labels",
        _start_labels,
    ),
    Rule(
        "start-param-resources",
        "error",
        "rayStartParams pass through a shell, which takes the quotes out of JSON; ray start then fails.",
        """quote it twice, as in resources: '"{\\"name\\": 1}"', or use the group's resources""",
        _start_resources,
    ),
    Rule(
        "start-param-quotes",
        "error",
        "rayStartParams pass through a shell, in which an open quote takes all that follows.",
        "close the quote",
        _start_quotes,
    ),
    Rule(
        "worker-num-cpus",
        "warning",
        "The operator derives num-cpus from the container; a number by hand goes wrong when the container changes.",
        "remove num-cpus and set the container's CPU request or limit",
        _worker_cpus,
    ),
    Rule(
        "cpu-unset",
        "warning",
        "Without a CPU limit or request Ray counts the whole node's CPUs, also those of other pods.",
        "set resources.requests.cpu",
        _no_cpu,
    ),
    Rule(
        "memory-unset",
        "warning",
        "Without a memory limit Ray counts the node's memory, and /dev/shm is not sized by the pod.",
        "set resources.limits.memory",
        _no_memory,
    ),
    Rule(
        "memory-request-below-limit",
        "warning",
        "A pod that uses more than was kept for it is the first to be evicted, with all its replicas.",
        "set the memory request to the limit",
        _memory_apart,
    ),
    Rule(
        "request-over-limit",
        "error",
        "The API server refuses the pods, which shows only as an event of the cluster.",
        "lower the request, or raise the limit",
        _over,
    ),
    Rule(
        "gpu-limit",
        "error",
        "GPUs are asked for by the limit alone, in whole numbers, and a request must equal it; else no pod is made.",
        "write resources.limits, and no request or the same one",
        _gpu_limit,
    ),
    Rule(
        "gpu-params-without-limit",
        "error",
        "Ray believes num-gpus and places replicas on a pod in which there is no device.",
        "set resources.limits of nvidia.com/gpu, and remove num-gpus",
        _gpu_told,
    ),
    Rule(
        "head-memory",
        "warning",
        "The head holds the control plane, Serve's controller and the dashboard; under 2 GiB it is killed sooner or "
        "later, 8 GiB are for production.",
        "give it 8Gi, never less than 2Gi",
        _head_memory,
    ),
    Rule(
        "head-takes-replicas",
        "warning",
        "A replica on the head is lost with it, and takes the memory of the control plane.",
        'set the head\'s rayStartParams num-cpus: "0"',
        _head_cpus,
    ),
)
