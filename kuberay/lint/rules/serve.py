"""What Serve holds of its config beyond keys and types, and tells only the operator: as a Warning event."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from kuberay.lint.bundle import Bundle
from kuberay.lint.capacity import is_local
from kuberay.lint.document import Document
from kuberay.lint.finding import Problem, Rule
from kuberay.lint.place import Place
from kuberay.lint.platform import IMPORT_PATH, platform_of
from kuberay.lint.suggest import closest
from kuberay.workload import workload
from serve_app.settings import SettingsError

REMOTE = re.compile(r"(https|s3|gs|gcs|abfss|azure|file|pip|conda|hdfs|local)://", re.IGNORECASE)
OLD_FACTORS = {
    "smoothing_factor": "upscaling_factor and downscaling_factor",
    "upscale_smoothing_factor": "upscaling_factor",
    "downscale_smoothing_factor": "downscaling_factor",
    "target_num_ongoing_requests_per_replica": "target_ongoing_requests",
    "max_concurrent_queries": "max_ongoing_requests",
}
DEFAULT_ONGOING = 5
AUTO_MAX_REPLICAS = 100
BATCH_KEYS = ("max_batch_size", "batch_size")


def _apps(document: Document) -> list[Place]:
    return document.serve.at("applications").items


def _deployments(document: Document) -> Iterator[Place]:
    for app in _apps(document):
        yield from app.at("deployments").items


def _broken(document: Document, bundle: Bundle) -> Iterator[Problem]:
    if document.inner is not None and document.inner.error is not None:
        yield Problem(document.serve, f"serveConfigV2 is not YAML: {document.inner.error}")


def _empty(document: Document, bundle: Bundle) -> Iterator[Problem]:
    broken = document.inner is not None and document.inner.error is not None
    if document.kind == "RayService" and document.is_ray and not broken and not _apps(document):
        yield Problem(document.serve, "no application is served")


def _twice(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for key, otherwise in (("name", "default"), ("route_prefix", "/")):
        places = [app.at(key) for app in _apps(document)]
        values = [
            otherwise if place.path[-1] not in app.entries else place.text
            for app, place in zip(_apps(document), places, strict=True)
        ]
        for index, value in enumerate(values):
            if value is not None and value in values[:index]:
                yield Problem(places[index], f"another application has the {key} '{value}'", f"give it its own {key}")
    for app in _apps(document):
        if app.at("name").value == "":
            yield Problem(app.at("name"), "the application's name is empty", "give it a name")
        counted = Counter(deployment.at("name").text for deployment in app.at("deployments").items)
        for name, number in counted.items():
            if name is not None and number > 1:
                yield Problem(app.at("deployments"), f"deployment '{name}' stands {number} times", "keep one of them")


def _route(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for app in _apps(document):
        prefix = app.at("route_prefix")
        value = prefix.value
        if not isinstance(value, str):
            continue
        if not value.startswith("/"):
            yield Problem(prefix, f"route_prefix '{value}' does not begin with /")
        elif len(value) > 1 and value.endswith("/"):
            yield Problem(prefix, f"route_prefix '{value}' ends with /")
        elif "{" in value or "}" in value:
            yield Problem(prefix, f"route_prefix '{value}' has a wildcard")


def _import_path(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for app in _apps(document):
        place = app.at("import_path")
        value = place.value
        if isinstance(value, str) and not _is_import_path(value):
            yield Problem(place, f"import_path '{value}' names no object in a module")


def _is_import_path(value: str) -> bool:
    separator = ":" if ":" in value else "."
    module, _, name = value.rpartition(separator)
    return bool(module) and bool(name) and not value.startswith(separator) and value.count(":") <= 1


def _app_address(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for app in _apps(document):
        for key in ("host", "port"):
            if app.at(key).given:
                yield Problem(app.at(key), f"an application has a {key} of its own")


def _replicas(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for deployment in _deployments(document):
        number, scaling = deployment.at("num_replicas"), deployment.at("autoscaling_config")
        if number.integer is not None and scaling.given:
            yield Problem(number, "num_replicas is fixed and autoscaling_config is set", "remove one of them")
        if number.text not in (None, "auto"):
            yield Problem(number, f"num_replicas is '{number.text}'", "write a whole number, or auto")
        least, most, first = (scaling.at(key).integer for key in ("min_replicas", "max_replicas", "initial_replicas"))
        if most is None:
            most = AUTO_MAX_REPLICAS if number.value == "auto" else 1
        least = 1 if least is None else least
        if scaling.entries and least > most:
            place = scaling.at("max_replicas")
            yield Problem(place, f"min_replicas {least} is over max_replicas {most}", f"set max_replicas to {least}")
        elif scaling.entries and first is not None and not least <= first <= most:
            place = scaling.at("initial_replicas")
            yield Problem(place, f"initial_replicas {first} is outside {least} to {most}", "set it within the bounds")


def _target(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for deployment in _deployments(document):
        most = deployment.at("max_ongoing_requests")
        limit = DEFAULT_ONGOING if most.integer is None else most.integer
        target = deployment.at("autoscaling_config", "target_ongoing_requests")
        # A limit that is not written here may be in the code.
        if target.number is not None and most.given and target.number > limit:
            yield Problem(target, f"target_ongoing_requests {target.number:g} is over max_ongoing_requests {limit}")


def _batches(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for app in _apps(document):
        for deployment in app.at("deployments").items:
            limit = deployment.at("max_ongoing_requests")
            size = _batch_size(deployment.at("user_config"))
            if limit.integer is not None and size is not None and size > limit.integer:
                sentence = f"max_ongoing_requests {limit.integer} is below the batch of {size}"
                yield Problem(limit, sentence, f"set max_ongoing_requests to {size} or more, better twice that")
    yield from _platform_calls(document)


def _batch_size(place: Place, depth: int = 0) -> int | None:
    sizes = [place.at(key).integer for key in BATCH_KEYS]
    sizes += [_batch_size(child, depth + 1) for child in place.entries.values() if depth < 4]
    return max((size for size in sizes if size is not None), default=None)


def _platform_calls(document: Document) -> Iterator[Problem]:
    """The platform's own edges have so many calls under way to a replica as its limits say."""
    settings = platform_of(document)
    for app in _apps(document) if settings is not None else []:
        for deployment in app.at("deployments").items if app.at("import_path").value == IMPORT_PATH else []:
            limit, name = deployment.at("max_ongoing_requests"), deployment.at("name").text or ""
            for model in settings.models if settings is not None else ():
                calls = model.limits.max_calls_per_replica * settings.router.num_replicas if settings else 0
                if limit.integer is not None and name.startswith(f"{model.name}-v") and limit.integer < calls:
                    sentence = (
                        f"max_ongoing_requests {limit.integer} is below the {calls} calls of model '{model.name}'"
                    )
                    fix = f"remove it, or set it to {calls} or more; or lower limits.max_calls_per_replica"
                    yield Problem(limit, sentence, fix)


def _queue(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for deployment in _deployments(document):
        place = deployment.at("max_queued_requests")
        if place.given and (place.integer is None or (place.integer < 1 and place.integer != -1)):
            yield Problem(place, f"max_queued_requests is {place.value}")


def _placement(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for deployment in _deployments(document):
        per_node = deployment.at("max_replicas_per_node")
        if per_node.integer is not None and not 1 <= per_node.integer <= 100:
            yield Problem(per_node, f"max_replicas_per_node is {per_node.integer}", "set it from 1 to 100")
        pairs = (
            ("max_replicas_per_node", "placement_group_bundles"),
            ("max_replicas_per_node", "gang_scheduling_config"),
            ("placement_group_strategy", "gang_scheduling_config"),
        )
        for one, other in pairs:
            if deployment.at(one).given and deployment.at(other).given:
                yield Problem(deployment.at(one), f"{one} and {other} exclude each other", "remove one of them")
        selectors = deployment.at("placement_group_bundle_label_selector")
        bundles = deployment.at("placement_group_bundles")
        if selectors.given and len(selectors.items) not in (1, len(bundles.items)):
            fix = "write one selector, or one for each bundle"
            yield Problem(selectors, "there are neither one nor as many selectors as bundles", fix)
        size = deployment.at("gang_scheduling_config", "gang_size").integer
        number = deployment.at("num_replicas").integer
        if size and number is not None and number % size:
            place = deployment.at("num_replicas")
            yield Problem(place, f"num_replicas {number} is no multiple of gang_size {size}", "make it one")


def _runtime_env(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for app in _apps(document):
        owners = [app, *(deployment.at("ray_actor_options") for deployment in app.at("deployments").items)]
        for owner in owners:
            env = owner.at("runtime_env")
            for place in (env.at("working_dir"), *env.at("py_modules").items):
                if place.text is not None and not REMOTE.match(place.text):
                    yield Problem(place, f"'{place.text}' is no remote URI")


def _external(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for app in _apps(document):
        for deployment in app.at("deployments").items if app.at("external_scaler_enabled").value is True else []:
            if deployment.at("autoscaling_config").given or deployment.at("num_replicas").value == "auto":
                yield Problem(deployment, f"deployment '{deployment.at('name').text}' scales itself")


def _look_back(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for deployment in _deployments(document):
        scaling = deployment.at("autoscaling_config")
        back, interval = scaling.at("look_back_period_s"), scaling.at("metrics_interval_s")
        interval_s = 10.0 if interval.number is None else interval.number
        if back.number is not None and back.number <= interval_s:
            yield Problem(back, f"look_back_period_s {back.number:g} is not over metrics_interval_s {interval_s:g}")


def _older(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for deployment in _deployments(document):
        for owner in (deployment, deployment.at("autoscaling_config")):
            for key, instead in OLD_FACTORS.items():
                if owner.at(key).given:
                    yield Problem(owner.at(key), f"{key} is an older name", f"use {instead}")


def _unknown_deployment(document: Document, bundle: Bundle) -> Iterator[Problem]:
    settings = platform_of(document)
    if settings is None or not is_local(settings):
        return
    try:
        names = [deployment.name for deployment in workload(settings).deployments]
    except SettingsError:
        return
    for app in _apps(document):
        for deployment in app.at("deployments").items if app.at("import_path").value == IMPORT_PATH else []:
            name = deployment.at("name")
            if name.text is not None and name.text not in names:
                meant = closest(name.text, names)
                fix = f"did you mean {meant}?" if meant else f"use one of {', '.join(names)}"
                yield Problem(name, f"the platform has no deployment '{name.text}'", fix)


RULES = (
    Rule(
        "serve-config-yaml",
        "error",
        "serveConfigV2 is a text to the API server; broken YAML shows only as an event, and nothing is served.",
        "correct the YAML inside the text",
        _broken,
    ),
    Rule(
        "serve-config-empty",
        "warning",
        "Without a running application the services of a RayService are never made.",
        "write serveConfigV2 with an application",
        _empty,
    ),
    Rule(
        "serve-names",
        "error",
        "Serve refuses a config in which applications share a name or a route, or a deployment stands twice.",
        "make them differ",
        _twice,
    ),
    Rule(
        "serve-route-prefix",
        "error",
        "Serve refuses a prefix that does not begin with /, ends with one, or has wildcards.",
        "write it as /name",
        _route,
    ),
    Rule(
        "serve-import-path",
        "error",
        "Serve imports the application by module:object (or module.object).",
        "write it as package.module:object",
        _import_path,
    ),
    Rule(
        "serve-app-address",
        "error",
        "Serve refuses a host or port of one application: all share the proxies.",
        "move it to http_options at the top",
        _app_address,
    ),
    Rule(
        "serve-replica-bounds",
        "error",
        "Serve refuses replica numbers that contradict each other; max_replicas is 1 where it is not written.",
        "make them agree",
        _replicas,
    ),
    Rule(
        "serve-target-over-limit",
        "error",
        "A replica never holds more than max_ongoing_requests, so a target above it is never passed and nothing scales "
        "up.",
        "set target_ongoing_requests below max_ongoing_requests",
        _target,
    ),
    Rule(
        "serve-batch-over-limit",
        "error",
        "A batch gathers from the requests that a replica holds: with fewer than a full batch it always waits out its "
        "window.",
        "raise max_ongoing_requests",
        _batches,
    ),
    Rule(
        "serve-queue-limit",
        "error",
        "Serve takes -1 (no limit) or a whole number from 1.",
        "set it to -1, or to 1 or more",
        _queue,
    ),
    Rule(
        "serve-placement",
        "error",
        "Serve refuses options of placement that exclude each other.",
        "keep one of them",
        _placement,
    ),
    Rule(
        "serve-runtime-env",
        "error",
        "In a config, working_dir and py_modules must be URIs that every node can fetch.",
        "use a URI (https:// or s3:// of a .zip, local:// of a folder in the image), or bake it into the image",
        _runtime_env,
    ),
    Rule(
        "serve-external-scaler",
        "error",
        "With external_scaler_enabled Serve refuses autoscaling of its own.",
        "remove autoscaling_config, or external_scaler_enabled",
        _external,
    ),
    Rule(
        "serve-look-back",
        "warning",
        "A look back of no more than one report averages nothing; a later Ray refuses it.",
        "set look_back_period_s over metrics_interval_s",
        _look_back,
    ),
    Rule(
        "serve-older-name",
        "warning",
        "Older names are taken for now, or ignored already.",
        "use the newer name",
        _older,
    ),
    Rule(
        "serve-unknown-deployment",
        "error",
        "Serve refuses options of a deployment that the application does not have.",
        "use the name of a deployment of the platform",
        _unknown_deployment,
    ),
)
