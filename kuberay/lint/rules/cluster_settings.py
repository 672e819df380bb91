"""Cluster settings: what loads and still will not do."""

from __future__ import annotations

from collections.abc import Iterator

from kuberay.lint.bundle import Bundle
from kuberay.lint.capacity import is_local
from kuberay.lint.cluster import settings_of
from kuberay.lint.document import Document
from kuberay.lint.finding import Problem, Rule
from kuberay.lint.place import Place
from kuberay.lint.platform import arguments_of, platform_of, slowest_slo_s
from kuberay.lint.suggest import closest
from kuberay.lint.version import parse_version
from kuberay.placement import GPU_TAINT
from kuberay.settings import ClusterSettings, NodeGroup
from kuberay.workload import workload
from serve_app.settings import Settings, SettingsError

NOTICE_S = {"eks": 120.0, "gke": 30.0, "aks": 30.0}
"""Between a provider's word and the end of a spot machine, seconds."""


def _both(document: Document) -> tuple[ClusterSettings, Settings] | None:
    """Cluster settings and the platform's, where both can be used."""
    settings = settings_of(document)
    platform = platform_of(document.platform) if document.platform is not None else None
    return (settings, platform) if settings is not None and platform is not None else None


def _file(document: Document, bundle: Bundle) -> Iterator[Problem]:
    if document.form == "cluster" and document.platform is None and document.root.at("platform").text is not None:
        yield Problem(document.root.at("platform"), f"there is no file '{document.root.at('platform').text}' beside it")
    if document.platform is not None and not arguments_of(document.platform).given:
        place = document.root.at("platform")
        yield Problem(place, "the file has no application with import_path serve_app.app:build_app")


def _models(document: Document, bundle: Bundle) -> Iterator[Problem]:
    settings = platform_of(document)
    if settings is None or not is_local(settings):
        return
    try:
        workload(settings)
    except SettingsError as error:
        yield Problem(arguments_of(document), str(error))


def _gpu_pools(document: Document, bundle: Bundle) -> Iterator[Problem]:
    both = _both(document)
    if both is None or any(group.machine.gpus for group in both[0].groups):
        return
    for model in both[1].models:
        for pool in model.pools:
            if pool.device == "gpu":
                sentence = f"model '{model.name}' has the GPU pool '{pool.name}', and no group has a GPU"
                yield Problem(document.root.at("groups"), sentence)


def _idle_gpus(document: Document, bundle: Bundle) -> Iterator[Problem]:
    both = _both(document)
    if both is None or any(pool.device == "gpu" for model in both[1].models for pool in model.pools):
        return
    for index, group in enumerate(both[0].groups):
        if group.machine.gpus:
            yield Problem(document.root.at("groups", index), f"group '{group.name}' has GPUs, and no pool asks for one")


def _waiting(document: Document, bundle: Bundle) -> Iterator[Problem]:
    both = _both(document)
    gpu_groups = [group for group in both[0].groups if group.machine.gpus] if both is not None else []
    if both is None or not gpu_groups or any(group.min_nodes for group in gpu_groups):
        return
    for model in both[1].models:
        for pool in model.pools:
            if pool.device == "gpu" and pool.start == "auto":
                sentence = f"pool '{pool.name}' of model '{model.name}' starts only where a GPU is there already"
                yield Problem(document.root.at("groups"), f"{sentence}, and at rest there is none")


def _taints(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for index, group in _groups(document):
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


def _groups(document: Document) -> list[tuple[int, NodeGroup]]:
    settings = settings_of(document)
    return list(enumerate(settings.groups)) if settings is not None else []


def _gpu_image(document: Document, bundle: Bundle) -> Iterator[Problem]:
    settings = settings_of(document)
    if settings is not None and settings.images.gpu is None and any(g.machine.gpus for g in settings.groups):
        yield Problem(document.root.at("images", "gpu"), "groups with a GPU run the CPU image")


def _image_version(document: Document, bundle: Bundle) -> Iterator[Problem]:
    settings = settings_of(document)
    for key in ("cpu", "gpu") if settings is not None else ():
        place = document.root.at("images", key)
        name, _, tag = (place.text or "").rpartition(":")
        version = parse_version(tag) if name.rpartition("/")[2] in ("ray", "ray-ml", "ray-llm") else None
        if settings is not None and version is not None and version[:3] != parse_version(settings.ray_version):
            sentence = f"the image has another Ray than ray_version {settings.ray_version}"
            yield Problem(place, sentence, "make the image's tag and ray_version agree")


def _unused(document: Document, bundle: Bundle) -> Iterator[Problem]:
    both = _both(document)
    asked = {name for model in both[1].models for pool in model.pools for name in pool.resources} if both else set()
    for index, group in _groups(document) if both is not None else []:
        for name in group.resources:
            if name not in asked:
                meant = closest(name, asked)
                fix = f"did you mean {meant}?" if meant else None
                place = document.root.at("groups", index, "resources", name)
                yield Problem(place, f"no pool asks for '{name}' of group '{group.name}'", fix)


def _spot_last(document: Document, bundle: Bundle) -> Iterator[Problem]:
    groups = _groups(document)
    for index, group in groups:
        base = [other for _, other in groups if other.market == "on-demand" and _alike(other, group)]
        highest = max(((other.priority or 0) for other in base), default=0)
        if group.market == "spot" and (group.priority or 0) <= highest:
            yield Problem(document.root.at("groups", index), f"nothing makes the spot group '{group.name}' come first")


def _alike(one: NodeGroup, other: NodeGroup) -> bool:
    return bool(one.machine.gpus) == bool(other.machine.gpus)


def _versions(document: Document, bundle: Bundle) -> Iterator[Problem]:
    settings = settings_of(document)
    if settings is None:
        return
    kuberay, ray = parse_version(settings.kuberay_version) or (), parse_version(settings.ray_version) or ()
    wanted: list[tuple[Place, str, tuple[int, ...], tuple[int, ...]]] = [
        (document.root.at("groups", index, "priority"), "a priority", (1, 7), (2, 56))
        for index, group in _groups(document)
        if group.priority
    ]
    if settings.token_secret is not None:
        wanted.append((document.root.at("token_secret"), "token_secret", (1, 5), (2, 52)))
    if settings.upgrade.strategy == "incremental":
        wanted.append((document.root.at("upgrade", "strategy"), "an incremental upgrade", (1, 5), ()))
    for place, what, least_kuberay, least_ray in wanted:
        if kuberay < least_kuberay:
            sentence = f"{what} needs KubeRay {'.'.join(map(str, least_kuberay))}"
            yield Problem(place, f"{sentence}, and kuberay_version is {settings.kuberay_version}")
        if ray < least_ray:
            sentence = f"{what} needs Ray {'.'.join(map(str, least_ray))}"
            yield Problem(place, f"{sentence}, and ray_version is {settings.ray_version}")


def _drain(document: Document, bundle: Bundle) -> Iterator[Problem]:
    both = _both(document)
    if both is None or both[0].drain_s is None:
        return
    settings, platform = both
    place, drain_s = document.root.at("drain_s"), both[0].drain_s
    slo_s = slowest_slo_s(platform) or 0.0
    if drain_s < max(platform.drain_s, slo_s):
        needs = (
            f"its slowest SLO is {slo_s:g} s" if slo_s > platform.drain_s else f"replicas take {platform.drain_s:g} s"
        )
        needed_s = max(platform.drain_s, slo_s)
        yield Problem(place, f"pods end after drain_s {drain_s:g}, and {needs}", f"set drain_s to {needed_s:g} or more")
    notice_s = NOTICE_S.get(settings.provider)
    if notice_s is not None and drain_s > notice_s and any(group.market == "spot" for group in settings.groups):
        sentence = f"pods want {drain_s:g} s to end, and {settings.provider} gives {notice_s:g} s notice of spot nodes"
        yield Problem(place, sentence, f"set drain_s to {notice_s:g} at most")


def _slow(document: Document, bundle: Bundle) -> Iterator[Problem]:
    both = _both(document)
    if both is None:
        return
    slo_s = slowest_slo_s(both[1]) or 0.0
    if slo_s > both[1].drain_s and both[0].drain_s is None:
        sentence = f"replicas end after {both[1].drain_s:g} s, and the slowest SLO is {slo_s:g} s"
        yield Problem(document.root.at("platform"), sentence, f"set the platform's drain_s to {slo_s:g} or more")
    if slo_s > both[0].upgrade.deletion_delay_s:
        place = document.root.at("upgrade", "deletion_delay_s")
        sentence = (
            f"the old cluster goes after {both[0].upgrade.deletion_delay_s} s, and the slowest SLO is {slo_s:g} s"
        )
        yield Problem(place, sentence, f"set deletion_delay_s to {slo_s:g} or more")


def _redis(document: Document, bundle: Bundle) -> Iterator[Problem]:
    settings = settings_of(document)
    if settings is None or settings.redis is None:
        return
    place = document.root.at("redis", "address")
    host, _, port = settings.redis.address.rpartition(":")
    if settings.redis.address != "managed" and not (host and port.isdigit()):
        yield Problem(place, f"redis.address '{settings.redis.address}' is no host:port", "write host:port, or managed")
    if settings.redis.password_secret is None:
        sentence = "Redis has no password_secret: every pod of the cluster may write Ray's state"
        yield Problem(document.root.at("redis", "password_secret"), sentence, "name a Secret")


RULES = (
    Rule(
        "platform-file",
        "error",
        "The cluster file names the Serve config that runs locally; without it there is nothing to serve.",
        "correct `platform`, a path relative to the cluster file",
        _file,
    ),
    Rule(
        "platform-models",
        "error",
        "A model that no repository has makes the application fail at deployment, on the cluster.",
        "correct the model's name or version, or add its repository",
        _models,
    ),
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
        "settings-image-version",
        "error",
        "Pods of one cluster must run the Ray that the operator is told.",
        "make them agree",
        _image_version,
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
    Rule(
        "settings-version",
        "error",
        "What the versions do not know is refused or silently dropped.",
        "install a later version, or remove the option",
        _versions,
    ),
    Rule(
        "settings-drain",
        "error",
        "A pod is killed when its time to end is over, with the requests that it still has; a spot node is off when "
        "the provider's notice is over.",
        "set drain_s between what replicas take and what the provider gives",
        _drain,
    ),
    Rule(
        "settings-slo",
        "error",
        "Requests that may take longer than what ends a replica or a cluster are cut off by every change.",
        "raise it to the slowest SLO",
        _slow,
    ),
    Rule(
        "settings-redis",
        "warning",
        "Ray's state goes to Redis; who can write there controls the cluster.",
        "write host:port, and name a Secret for the password",
        _redis,
    ),
)
