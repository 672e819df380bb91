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
from kuberay.lint.platform import platform_of
from kuberay.lint.suggest import closest
from kuberay.platform_file import IMPORT_PATH
from kuberay.workload import workload
from serve_app.settings import SettingsError

PROTOCOLS = ("gcs", "conda", "pip", "uv", "http", "https", "s3", "gs", "azure", "abfss", "file", "local")
"""Of Ray 2.60's URIs of code, all of which Serve takes."""
REMOTE = re.compile(rf"({'|'.join(PROTOCOLS)})://", re.IGNORECASE)
OLD_FACTORS = {
    "smoothing_factor": "upscaling_factor and downscaling_factor",
    "upscale_smoothing_factor": "upscaling_factor",
    "downscale_smoothing_factor": "downscaling_factor",
    "target_num_ongoing_requests_per_replica": "target_ongoing_requests",
    "max_concurrent_queries": "max_ongoing_requests",
}


def _broken(document: Document, bundle: Bundle) -> Iterator[Problem]:
    if document.inner is not None and document.inner.error is not None:
        yield Problem(document.serve, f"serveConfigV2 is not YAML: {document.inner.error}")


def _empty(document: Document, bundle: Bundle) -> Iterator[Problem]:
    broken = document.inner is not None and document.inner.error is not None
    if document.kind == "RayService" and document.is_ray and not broken and not document.applications:
        yield Problem(document.serve, "no application is served")


def _twice(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for key, otherwise in (("name", "default"), ("route_prefix", "/")):
        places = [app.at(key) for app in document.applications]
        values = [
            otherwise if place.path[-1] not in app.entries else place.text
            for app, place in zip(document.applications, places, strict=True)
        ]
        for index, value in enumerate(values):
            if value is not None and value in values[:index]:
                yield Problem(places[index], f"another application has the {key} '{value}'", f"give it its own {key}")
    for app in document.applications:
        if app.at("name").value == "":
            yield Problem(app.at("name"), "the application's name is empty", "give it a name")
        counted = Counter(deployment.at("name").text for deployment in app.at("deployments").items)
        for name, number in counted.items():
            if name is not None and number > 1:
                yield Problem(app.at("deployments"), f"deployment '{name}' stands {number} times", "keep one of them")


def _route(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for app in document.applications:
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
    for app in document.applications:
        place = app.at("import_path")
        value = place.value
        if isinstance(value, str) and not _is_import_path(value):
            yield Problem(place, f"import_path '{value}' names no object in a module")


def _is_import_path(value: str) -> bool:
    separator = ":" if ":" in value else "."
    module, _, name = value.rpartition(separator)
    return bool(module) and bool(name) and not value.startswith(separator) and value.count(":") <= 1


def _app_address(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for app in document.applications:
        for key in ("host", "port"):
            if app.at(key).given:
                yield Problem(app.at(key), f"an application has a {key} of its own")


def _runtime_env(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for app in document.applications:
        owners = [app, *(deployment.at("ray_actor_options") for deployment in app.at("deployments").items)]
        for owner in owners:
            env = owner.at("runtime_env")
            modules = env.at("py_modules")
            for place in (env.at("working_dir"), *(modules.items if isinstance(modules.value, list) else [modules])):
                is_uri = isinstance(place.value, str) and REMOTE.match(place.value)
                if place.given and not is_uri:
                    yield Problem(place, f"'{place.value}' is no remote URI")


def _is_true(place: Place) -> bool:
    """Whether Serve reads a value as true."""
    return str(place.value).lower() in ("1", "1.0", "on", "t", "true", "y", "yes")


def _external(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for app in document.applications:
        for deployment in app.at("deployments").items if _is_true(app.at("external_scaler_enabled")) else []:
            if deployment.at("autoscaling_config").given or deployment.at("num_replicas").value == "auto":
                yield Problem(deployment, f"deployment '{deployment.at('name').text}' scales itself")


def _older(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for deployment in document.deployments:
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
    for app in document.applications:
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
