"""How many replicas and requests a Serve config allows, and how they are spread."""

from __future__ import annotations

from collections.abc import Iterator

from kuberay.lint.bundle import Bundle
from kuberay.lint.document import Document
from kuberay.lint.finding import Problem, Rule
from kuberay.lint.place import Place
from kuberay.lint.platform import platform_of
from kuberay.platform_file import IMPORT_PATH
from kuberay.workload import AUTO_MAX_REPLICAS

BATCH_KEY = "max_batch_size"
"""As Serve's own batching calls it; where a deployment takes it from its user_config."""


def _replicas(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for deployment in document.deployments:
        number, scaling = deployment.at("num_replicas"), deployment.at("autoscaling_config")
        if isinstance(number.value, int) and scaling.given:
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
    for deployment in document.deployments:
        # A limit that is not written here may be in the code.
        limit = deployment.at("max_ongoing_requests").integer
        target = deployment.at("autoscaling_config", "target_ongoing_requests")
        if target.number is not None and limit is not None and target.number > limit:
            yield Problem(target, f"target_ongoing_requests {target.number:g} is over max_ongoing_requests {limit}")


def _batches(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for deployment in document.deployments:
        limit = deployment.at("max_ongoing_requests")
        size = _batch_size(deployment.at("user_config"))
        if limit.integer is not None and size is not None and size > limit.integer:
            sentence = f"max_ongoing_requests {limit.integer} is below the batch of {size}"
            yield Problem(limit, sentence, f"set max_ongoing_requests to {size} or more, better twice that")
    yield from _platform_calls(document)


def _batch_size(place: Place, depth: int = 0) -> int | None:
    sizes = [place.at(BATCH_KEY).integer]
    sizes += [_batch_size(child, depth + 1) for child in place.entries.values() if depth < 4]
    return max((size for size in sizes if size is not None), default=None)


def _platform_calls(document: Document) -> Iterator[Problem]:
    """The platform's own edges have so many calls under way to a replica as its limits say."""
    settings = platform_of(document)
    for app in document.applications if settings is not None else []:
        for deployment in app.at("deployments").items if app.at("import_path").value == IMPORT_PATH else []:
            limit, name = deployment.at("max_ongoing_requests"), deployment.at("name").text or ""
            for model in settings.models if settings is not None else ():
                calls = model.limits.max_calls_per_replica * settings.router.max_replicas if settings else 0
                if limit.integer is not None and name.startswith(f"{model.name}-v") and limit.integer < calls:
                    sentence = (
                        f"max_ongoing_requests {limit.integer} is below the {calls} calls of model '{model.name}'"
                    )
                    fix = f"remove it, or set it to {calls} or more; or lower limits.max_calls_per_replica"
                    yield Problem(limit, sentence, fix)


def _queue(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for deployment in document.deployments:
        place = deployment.at("max_queued_requests")
        if place.given and (place.integer is None or (place.integer < 1 and place.integer != -1)):
            yield Problem(place, f"max_queued_requests is {place.value}")


def _placement(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for deployment in document.deployments:
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


def _look_back(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for deployment in document.deployments:
        scaling = deployment.at("autoscaling_config")
        back, interval = scaling.at("look_back_period_s"), scaling.at("metrics_interval_s")
        interval_s = 10.0 if interval.number is None else interval.number
        if back.number is not None and back.number <= interval_s:
            yield Problem(back, f"look_back_period_s {back.number:g} is not over metrics_interval_s {interval_s:g}")


RULES = (
    Rule(
        "serve-replica-bounds",
        "error",
        "Serve refuses replica numbers that contradict each other; max_replicas is 1 where it is not written.",
        "make them agree",
        _replicas,
    ),
    Rule(
        "serve-target-over-limit",
        "warning",
        "A replica never holds more than max_ongoing_requests: with a target above it the deployment scales up only "
        "once requests queue at its callers.",
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
        "serve-look-back",
        "warning",
        "A look back of no more than one report averages nothing; a later Ray refuses it.",
        "set look_back_period_s over metrics_interval_s",
        _look_back,
    ),
)
