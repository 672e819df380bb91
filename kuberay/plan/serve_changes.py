"""What Serve does with a changed config on a cluster that stays.

Source: Ray 2.60, `get_app_code_version` (what makes an application another one), `DeploymentVersion` (what makes a
deployment another one) and the update types of `DeploymentConfig`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from kuberay.difference import Difference, differences
from kuberay.plan.change import Change, Effect

REBUILDS = ("import_path", "runtime_env", "args", "autoscaling_policy")
"""Options of an application that are its code version, which all of its deployments share."""

REBUILDS_FROM_DEPLOYMENT = ("request_router_config", "deployment_actors")
"""Options of a deployment that count as its application's."""

RESTARTS = (
    "ray_actor_options",
    "placement_group_bundles",
    "placement_group_strategy",
    "placement_group_bundle_label_selector",
    "max_replicas_per_node",
    "gang_scheduling_config",
)
"""Options of a deployment that its replicas are started with."""

COUNTS = ("num_replicas", "max_queued_requests", "rolling_update_percentage", "max_surge_percent")
"""Options that the controller and the handles keep: replicas are not told."""

FIXED_AT_START = ("proxy_location", "http_options", "grpc_options", "controller_options", "tracing_config")

OF_ONE_DEPLOYMENT = ("deployment-added", "deployment-removed", "deployment-of-rebuilt-application")
"""Rules that say what a rebuilt application means for each of its deployments."""

REBUILT = "it is part of the application's code version, which all of its deployments share"
RECONFIGURED = "running replicas are told, one fifth of them at a time"


class Size(NamedTuple):
    """How many replicas a deployment has."""

    min_replicas: int
    max_replicas: int

    def __str__(self) -> str:
        if self.min_replicas == self.max_replicas:
            return f"{self.min_replicas} replica{'' if self.min_replicas == 1 else 's'}"
        return f"{self.min_replicas} to {self.max_replicas} replicas"


Sizes = Mapping[str, Size]
"""The deployments of one application by name."""


def serve_changes(
    old: Mapping[str, Any], new: Mapping[str, Any], old_sizes: Mapping[str, Sizes], new_sizes: Mapping[str, Sizes]
) -> Iterator[Change]:
    """Classify every difference between two Serve configs.

    Args:
        old: A config, parsed.
        new: The same afterwards.
        old_sizes: Application to its deployments, where they are known.
        new_sizes: The same afterwards.
    """
    before, after = _by_name(old), _by_name(new)
    for name in dict.fromkeys((*before, *after)):
        if name not in before:
            yield Change(Effect.IN_PLACE, "application-added", name, "starts", f"new: {_all(new_sizes.get(name, {}))}")
        elif name not in after:
            reason = f"what a config no longer names is removed: {_all(old_sizes.get(name, {}))}"
            yield Change(Effect.RESTART, "application-removed", name, "stops", reason)
        else:
            yield from _application_changes(
                name, before[name], after[name], old_sizes.get(name, {}), new_sizes.get(name, {})
            )
    yield from _top_changes(old, new)


def _by_name(config: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {str(one.get("name", "default")): one for one in config.get("applications") or ()}


def _all(sizes: Sizes) -> str:
    return ", ".join(f"{name} ({size})" for name, size in sizes.items()) or "all of its deployments"


def _application_changes(
    name: str, old: Mapping[str, Any], new: Mapping[str, Any], old_sizes: Sizes, new_sizes: Sizes
) -> Iterator[Change]:
    found = [(one, _rule(one)) for one in _option_differences(old, new)]
    rebuilt = any(rule is None for _, rule in found)
    for one, rule in found:
        where = f"{name}: {one.where}"
        if rule is None:
            yield Change(Effect.RESTART, "application-rebuilt", where, one.what, REBUILT)
        elif rebuilt:
            yield Change(Effect.RESTART, "with-rebuilt-application", where, one.what, "comes with the restart")
        else:
            yield Change(rule.effect, rule.name, where, one.what, rule.reason, rule.remedy)
    if rebuilt:
        yield from _restarts(name, old_sizes, new_sizes)


def _option_differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    """Of an application's options and of each deployment's: never of more than one option at once."""
    mine, theirs = ({key: one[key] for key in one if key != "deployments"} for one in (old, new))
    yield from differences(mine, theirs)
    before, after = ({str(one.get("name")): one for one in app.get("deployments") or ()} for app in (old, new))
    for name in dict.fromkeys((*before, *after)):
        left, right = before.get(name, {}), after.get(name, {})
        for option in dict.fromkeys((*left, *right)):
            if option != "name":
                yield from differences(left.get(option), right.get(option), ("deployments", f"[{name}]", option))


class _Rule(NamedTuple):
    effect: Effect
    name: str
    reason: str
    remedy: str | None = None


_UNTOLD = _Rule(Effect.IN_PLACE, "deployment-count", "the controller's alone: no replica restarts")
_SCALING = _Rule(Effect.IN_PLACE, "deployment-scaling", "bounds and delays are the controller's: no replica restarts")
_RESTARTED = _Rule(
    Effect.RESTART,
    "deployment-restarted",
    "replicas are started with it, so those of this deployment restart, one fifth at a time",
)
_RECONFIGURED = _Rule(Effect.IN_PLACE, "deployment-reconfigured", RECONFIGURED)


def _rule(difference: Difference) -> _Rule | None:
    """The rule for an option of an application or of one of its deployments; None: the application is rebuilt."""
    option, *inner = difference.path
    if option in REBUILDS:
        return None
    if option == "deployments":
        return _deployment_rule(inner[1], inner[2:])
    if option in ("host", "port"):
        return _Rule(Effect.IGNORED, "application-address", "Serve takes it from http_options", "remove it")
    return _Rule(Effect.IN_PLACE, "application-option", RECONFIGURED)


def _deployment_rule(option: str, inner: Sequence[str]) -> _Rule | None:
    if option in REBUILDS_FROM_DEPLOYMENT:
        return None
    if option == "autoscaling_config":
        # The policies of all deployments that have such a config are part of the code version, those without one too.
        came_or_went = not inner
        return None if came_or_went or inner[0] == "policy" else _SCALING
    if option in RESTARTS:
        return _RESTARTED
    return _UNTOLD if option in COUNTS else _RECONFIGURED


def _restarts(name: str, old: Sizes, new: Sizes) -> Iterator[Change]:
    """Name the deployments of an application that is rebuilt."""
    for deployment, size in new.items():
        where = f"{name}: {deployment}"
        if deployment not in old:
            yield Change(Effect.IN_PLACE, "deployment-added", where, str(size), "new")
            continue
        what = str(size) if size == old[deployment] else f"{old[deployment]} -> {size}"
        reason, remedy = "restarts, one fifth of its replicas at a time", None
        if old[deployment].min_replicas <= 1:
            reason += "; while it has one replica, none answers until the next one is up: Serve stops it first"
            if old[deployment].max_replicas > 1:
                remedy = "keep two replicas or more through the change, or make it when nobody asks"
        yield Change(Effect.RESTART, "deployment-of-rebuilt-application", where, what, reason, remedy)
    for deployment, size in old.items():
        if deployment not in new:
            yield Change(Effect.RESTART, "deployment-removed", f"{name}: {deployment}", str(size), "stops")
    if not new:
        yield Change(
            Effect.RESTART, "deployment-of-rebuilt-application", f"{name}: every deployment", "restarts", REBUILT
        )


def _top_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for one in differences(_without_applications(old), _without_applications(new)):
        if one.path[0] in FIXED_AT_START:
            reason = "fixed when Serve starts on a cluster; later it is a line in the log and nothing else"
            remedy = "it comes with the next new cluster: change the image or a label beside it"
            yield Change(Effect.IGNORED, "serve-fixed-at-start", one.where, one.what, reason, remedy)
        elif one.path[0] == "target_capacity":
            yield Change(Effect.IN_PLACE, "serve-capacity", one.where, one.what, "scales every deployment")
        else:
            yield Change(Effect.IN_PLACE, "serve-option", one.where, one.what, RECONFIGURED)


def _without_applications(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key != "applications"}
