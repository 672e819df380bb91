"""RayJobs and RayCronJobs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from zoneinfo import ZoneInfo

from kuberay.lint.bundle import Bundle
from kuberay.lint.document import Document
from kuberay.lint.finding import Problem, Rule
from kuberay.lint.place import Place
from kuberay.lint.yaml_text import parse

MODES = ("K8sJobMode", "HTTPMode", "SidecarMode", "InteractiveMode")


def job_spec(document: Document) -> Place:
    """The spec of the job that a document describes, or a place with nothing."""
    if not document.is_ray or document.kind not in ("RayJob", "RayCronJob"):
        return Place(None)
    return document.root.at("spec") if document.kind == "RayJob" else document.root.at("spec", "jobTemplate")


def _no_mix(place: Place) -> str | None:
    legacy = place.at("onSuccess").given or place.at("onFailure").given
    return "onSuccess or onFailure stand beside deletionRules" if legacy and place.at("deletionRules").given else None


def _complete(place: Place) -> str | None:
    legacy = place.at("onSuccess").given and place.at("onFailure").given
    return None if legacy or place.at("deletionRules").given else "it has neither deletionRules nor both older fields"


def _one_status(place: Place) -> str | None:
    both = place.at("jobStatus").given and place.at("jobDeploymentStatus").given
    return "jobStatus and jobDeploymentStatus stand beside each other" if both else None


def _some_status(place: Place) -> str | None:
    some = place.at("jobStatus").given or place.at("jobDeploymentStatus").given
    return None if some else "it has neither jobStatus nor jobDeploymentStatus"


DELETION_CONDITIONS: Mapping[str, Callable[[Place], str | None]] = {
    "!((has(self.onSuccess) || has(self.onFailure)) && has(self.deletionRules))": _no_mix,
    "((has(self.onSuccess) && has(self.onFailure)) || has(self.deletionRules))": _complete,
    "!(has(self.jobStatus) && has(self.jobDeploymentStatus))": _one_status,
    "has(self.jobStatus) || has(self.jobDeploymentStatus)": _some_status,
}


def _submission(document: Document, bundle: Bundle) -> Iterator[Problem]:
    spec = job_spec(document)
    mode, retries = spec.at("submissionMode"), spec.at("backoffLimit")
    if mode.text is not None and mode.text not in MODES:
        yield Problem(mode, f"submissionMode '{mode.text}' is none", f"use one of {', '.join(MODES)}")
    if mode.value == "InteractiveMode" and (retries.integer or 0) > 0:
        yield Problem(retries, "InteractiveMode takes no backoffLimit", "remove backoffLimit")
    if mode.value == "SidecarMode":
        for key in ("submitterPodTemplate", "submitterConfig", "clusterSelector"):
            if spec.at(key).given:
                yield Problem(spec.at(key), f"SidecarMode takes no {key}", f"remove {key}")
        policy = spec.at("rayClusterSpec", "headGroupSpec", "template", "spec", "restartPolicy")
        if policy.value not in (None, "", "Never"):
            yield Problem(policy, "in SidecarMode the head must not restart", "set restartPolicy: Never, or leave it")


def _cluster(document: Document, bundle: Bundle) -> Iterator[Problem]:
    spec = job_spec(document)
    if not spec.given:
        return
    selector = spec.at("clusterSelector")
    if not selector.entries and not spec.at("rayClusterSpec").given:
        yield Problem(spec, "the job has neither rayClusterSpec nor clusterSelector", "add one of them")
    if selector.entries and not selector.at("ray.io/cluster").text:
        yield Problem(selector, "clusterSelector names no cluster", "add the key ray.io/cluster")
    if selector.entries and spec.at("suspend").value is True:
        yield Problem(spec.at("suspend"), "a job on a cluster of another's cannot be suspended", "remove suspend")


def _lifetimes(document: Document, bundle: Bundle) -> Iterator[Problem]:
    spec = job_spec(document)
    shuts = spec.at("shutdownAfterJobFinishes").value is True
    ttl = spec.at("ttlSecondsAfterFinished")
    if (ttl.integer or 0) > 0 and not shuts:
        yield Problem(ttl, "it counts only with shutdownAfterJobFinishes", "set shutdownAfterJobFinishes: true")
    if (ttl.integer or 0) < 0:
        yield Problem(ttl, "it is below none", "set it to 0 or more")
    if spec.at("suspend").value is True and not shuts:
        fix = "set shutdownAfterJobFinishes: true"
        yield Problem(spec.at("suspend"), "a job that keeps its cluster cannot be suspended", fix)
    if shuts and spec.at("deletionStrategy", "deletionRules").items:
        place = spec.at("deletionStrategy", "deletionRules")
        yield Problem(place, "deletionRules and shutdownAfterJobFinishes exclude each other", "remove one of them")
    for key in ("activeDeadlineSeconds", "preRunningDeadlineSeconds"):
        seconds = spec.at(key).integer
        if seconds is not None and seconds <= 0:
            yield Problem(spec.at(key), f"{key} must be over 0", "raise it, or leave it out")
    if (spec.at("backoffLimit").integer or 0) < 0:
        yield Problem(spec.at("backoffLimit"), "backoffLimit is below none", "set it to 0 or more")


def _environment(document: Document, bundle: Bundle) -> Iterator[Problem]:
    place = job_spec(document).at("runtimeEnvYAML")
    if place.text is not None:
        for parsed in parse(place.text):
            if parsed.error is not None:
                yield Problem(place, f"it is not YAML: {parsed.error}")


def _schedule(document: Document, bundle: Bundle) -> Iterator[Problem]:
    if not document.is_ray or document.kind != "RayCronJob":
        return
    schedule, zone = document.root.at("spec", "schedule"), document.root.at("spec", "timeZone")
    if schedule.text is not None:
        fault = _cron_fault(schedule.text)
        if fault is not None:
            yield Problem(schedule, fault[0], fault[1])
    if isinstance(zone.value, str) and not _is_zone(zone.value):
        yield Problem(zone, f"'{zone.value}' is no time zone", "use a name such as Europe/Berlin, or leave it out")


_CRON_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_CRON_NAMES: tuple[Mapping[str, int], ...] = (
    {},
    {},
    {},
    {
        n: i + 1
        for i, n in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"])
    },
    {n: i for i, n in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])},
)
_CRON_WORDS = re.compile(r"@(yearly|annually|monthly|weekly|daily|midnight|hourly)|@every (\d+(\.\d+)?(h|m|s|ms))+")


def _cron_fault(text: str) -> tuple[str, str | None] | None:
    if "TZ" in text:
        return "a schedule may not have a time zone in it", "write the zone into timeZone"
    if text.startswith("@"):
        return None if _CRON_WORDS.fullmatch(text) else (f"'{text}' is no schedule", None)
    fields = text.split()
    if len(fields) != 5:
        return f"a schedule has 5 fields, this one {len(fields)}", "write minute, hour, day, month, weekday"
    for field, bounds, names in zip(fields, _CRON_BOUNDS, _CRON_NAMES, strict=True):
        if not all(_cron_part(part, bounds, names) for part in field.split(",")):
            return f"'{field}' is no part of a schedule, or out of {bounds[0]} to {bounds[1]}", None
    return None


def _cron_part(part: str, bounds: tuple[int, int], names: Mapping[str, int]) -> bool:
    span, slash, step = part.partition("/")
    if slash and not (step.isascii() and step.isdigit() and 0 < len(step) < 5 and int(step) > 0):
        return False
    if span in ("*", "?"):
        return True
    ends = [names.get(end.lower(), end) for end in span.split("-")]
    if len(ends) > 2 or not all(isinstance(end, int) or (end.isascii() and end.isdigit()) for end in ends):
        return False
    numbers = [int(end) for end in ends if len(str(end)) < 5]
    ordered = len(numbers) == len(ends) and numbers == sorted(numbers)
    return ordered and all(bounds[0] <= number <= bounds[1] for number in numbers)


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    # For a name that is none: KeyError's child, ValueError for a path, or what opening a folder raises.
    except (LookupError, ValueError, OSError):
        return False
    return True


RULES = (
    Rule(
        "job-submission",
        "error",
        "The operator rejects a job whose way of submission does not go with the rest of it.",
        "make them agree",
        _submission,
    ),
    Rule(
        "job-cluster",
        "error",
        "A job runs on a cluster of its own, or on one that it names; the operator rejects neither and both at odds.",
        "add rayClusterSpec, or a clusterSelector with ray.io/cluster",
        _cluster,
    ),
    Rule(
        "job-lifetime",
        "error",
        "Deadlines, retries and deletion contradict each other; the operator then rejects the job.",
        "make them agree",
        _lifetimes,
    ),
    Rule(
        "job-runtime-env",
        "error",
        "runtimeEnvYAML is a text, whose YAML only the operator reads.",
        "correct the YAML",
        _environment,
    ),
    Rule(
        "cron-schedule",
        "error",
        "The API server takes any text for a schedule; the operator rejects what is no cron line, or has a zone in it.",
        "write five fields, and the zone into timeZone",
        _schedule,
    ),
)
