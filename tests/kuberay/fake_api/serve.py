"""Ray Serve inside a cluster: the configurations it was sent, and what it says of its applications. Pure."""

from __future__ import annotations

from typing import NamedTuple

import yaml

from tests.kuberay.fake_api.errors import Object
from tests.kuberay.fake_api.world import World

DELETING_S = 2.0
"""How long an application that is no longer configured is still told of, seconds."""


class Sent(NamedTuple):
    """A configuration that Serve took.

    Attributes:
        apps: By name.
        at_s: When, seconds.
    """

    apps: dict[str, Object]
    at_s: float


class ServeRefused(Exception):
    """Serve's REST API, or the operator's YAML parser before it, takes no such configuration."""


def parsed(config: str, world: World) -> dict[str, Object]:
    """The applications of a `serveConfigV2`.

    Raises:
        ServeRefused: It is no YAML, or Serve says no.
    """
    try:
        document = yaml.safe_load(config) or {}
    except yaml.YAMLError as error:
        raise ServeRefused(f"error converting YAML to JSON: yaml: {str(error).splitlines()[0]}") from error
    if world.serve_refusal is not None:
        raise ServeRefused(f"UpdateDeployments fail: 400 Bad Request {world.serve_refusal}")
    if not isinstance(document, dict):
        raise ServeRefused("json: cannot unmarshal string into Go value of type map[string]interface {}")
    return {app.get("name", "default"): app for app in document.get("applications", [])}


def app_statuses(history: list[Sent], now_s: float, world: World) -> Object:
    """What GET of the applications answers: name -> status of the application and its deployments.

    Args:
        history: Configurations, in the order they were sent.
        now_s: When it is asked.
        world: Which applications fail, and how long the others take.
    """
    if not history:
        return {}
    statuses = {name: _status(name, history, now_s, world) for name in history[-1].apps}
    if len(history) > 1 and now_s - history[-1].at_s < DELETING_S:
        for name in history[-2].apps.keys() - history[-1].apps.keys():
            statuses[name] = _told("DELETING", "UPDATING", "", history[-2].apps[name])
    return statuses


def _status(name: str, history: list[Sent], now_s: float, world: World) -> Object:
    app = history[-1].apps[name]
    since_s = history[-1].at_s
    for sent in reversed(history):
        if sent.apps.get(name) != app:
            break
        since_s = sent.at_s
    if now_s - since_s < world.app_start_s:
        return _told("DEPLOYING", "UPDATING", "", app)
    if name in world.failing_apps:
        return _told("DEPLOY_FAILED", "DEPLOY_FAILED", world.failing_apps[name], app)
    if name in world.unhealthy_apps:
        return _told("UNHEALTHY", "UNHEALTHY", world.unhealthy_apps[name], app)
    return _told("RUNNING", "HEALTHY", "", app)


def _told(status: str, deployment_status: str, message: str, app: Object) -> Object:
    deployments = {
        deployment["name"]: {"status": deployment_status, "message": message}
        for deployment in app.get("deployments", [])
    }
    return {"status": status, "message": message, "serveDeploymentStatuses": deployments}
