"""Cluster settings: what loads and still will not do."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kuberay.lint.bundle import Bundle
from kuberay.lint.capacity import is_local, nodes_of_settings
from kuberay.lint.cluster import both_of, groups_of, settings_of
from kuberay.lint.document import Document
from kuberay.lint.finding import Problem, Rule
from kuberay.lint.place import Place
from kuberay.lint.platform import arguments_of, longest_request_s, platform_of, settings_file_of
from kuberay.lint.rules.versions import image_version
from kuberay.lint.version import parse_version
from kuberay.render.drain import NOTICE_S, STOP_S, drain
from kuberay.render.errors import RenderError
from kuberay.render.versions import known
from kuberay.workload import workload
from serve_app.settings import SettingsError


def _file(document: Document, bundle: Bundle) -> Iterator[Problem]:
    if document.form == "cluster" and document.platform is None and document.root.at("platform").text is not None:
        yield Problem(document.root.at("platform"), f"there is no file '{document.root.at('platform').text}' beside it")
    platform = document.platform
    if platform is not None and not arguments_of(platform).given and not settings_file_of(platform).given:
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


def _image_version(document: Document, bundle: Bundle) -> Iterator[Problem]:
    settings = settings_of(document)
    for key in ("cpu", "gpu") if settings is not None else ():
        place = document.root.at("images", key)
        version = image_version(place)
        if settings is not None and version is not None and version[:3] != parse_version(settings.ray_version):
            sentence = f"the image has another Ray than ray_version {settings.ray_version}"
            yield Problem(place, sentence, "make the image's tag and ray_version agree")


def _versions(document: Document, bundle: Bundle) -> Iterator[Problem]:
    settings = settings_of(document)
    if settings is None:
        return
    try:
        has_priority = known(settings).priority
    except RenderError as error:
        option = re.split(r"[ :]", str(error))[0]
        yield _unrendered(document.root.at(option), error)
        return
    for index, group in groups_of(document):
        if group.priority and not has_priority:
            place = document.root.at("groups", index, "priority")
            versions = f"kuberay_version is {settings.kuberay_version}, ray_version {settings.ray_version}"
            yield Problem(place, f"a priority needs KubeRay 1.7 and Ray 2.56, and {versions}")


def _drain(document: Document, bundle: Bundle) -> Iterator[Problem]:
    both = both_of(document)
    if both is None or document.platform is None:
        return
    settings, platform = both
    place = document.root.at("drain_s")
    for group, nodes in zip(settings.groups, nodes_of_settings(settings), strict=True):
        try:
            grace_s = drain(settings, group, platform.drain_s).grace_s
        except RenderError as error:
            yield _unrendered(place, error)
            continue
        request_s = longest_request_s(document.platform, nodes.resources)
        if grace_s < request_s:
            sentence = f"pods of group '{group.name}' end after {grace_s} s, and a request may take {request_s:g} s"
            notice_s = NOTICE_S.get(settings.provider) if group.market == "spot" else None
            fix = f"set drain_s to {request_s + STOP_S:g} or more"
            if notice_s is not None and request_s > notice_s:
                fix = f"lower what it may take (slo_s, request_timeout_s) to {notice_s - STOP_S:g}"
                fix += ", or keep the pool off spot by a resource that only on-demand groups have"
            yield Problem(place, sentence, fix)


def _unrendered(place: Place, error: RenderError | str) -> Problem:
    """What rendering says, whose sentences end with what to do."""
    sentence, _, fix = str(error).partition("; ")
    return Problem(place, sentence, fix or None)


def _slow(document: Document, bundle: Bundle) -> Iterator[Problem]:
    both = both_of(document)
    if both is None or document.platform is None:
        return
    settings, platform = both
    request_s, delay_s = longest_request_s(document.platform), settings.upgrade.deletion_delay_s
    if request_s > platform.drain_s and settings.drain_s is None:
        sentence = f"replicas end after {platform.drain_s:g} s, and a request may take {request_s:g} s"
        yield Problem(document.root.at("platform"), sentence, f"set the platform's drain_s to {request_s:g} or more")
    if request_s > delay_s:
        place = document.root.at("upgrade", "deletion_delay_s")
        sentence = f"the old cluster goes after {delay_s} s, and a request may take {request_s:g} s"
        yield Problem(place, sentence, f"set deletion_delay_s to {request_s:g} or more")


def _refused(document: Document, bundle: Bundle) -> Iterator[Problem]:
    if document.refusal is None:
        return
    problem = _unrendered(document.root.at("platform"), document.refusal)
    told = (*_versions(document, bundle), *_drain(document, bundle))
    if problem.sentence not in {other.sentence for other in told}:
        yield problem


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
        "settings-image-version",
        "error",
        "Pods of one cluster must run the Ray that the operator is told.",
        "make them agree",
        _image_version,
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
        "settings-render",
        "error",
        "What gives no manifests cannot be applied.",
        "make `python -m kuberay render` write them",
        _refused,
    ),
    Rule(
        "settings-redis",
        "warning",
        "Ray's state goes to Redis; who can write there controls the cluster.",
        "write host:port, and name a Secret for the password",
        _redis,
    ),
)
