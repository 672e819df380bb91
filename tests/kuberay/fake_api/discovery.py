"""What a client asks first: the version, the groups, and the resources of each."""

from __future__ import annotations

from collections.abc import Sequence

from tests.kuberay.fake_api.errors import Object
from tests.kuberay.fake_api.resources import ResourceType

_BUILD = ("buildDate", "compiler", "gitCommit", "gitTreeState", "goVersion")
VERSION: Object = {"major": "1", "minor": "36", "gitVersion": "v1.36.2", "platform": "linux/amd64"}
VERSION |= dict.fromkeys(_BUILD, "fake")
_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


def discovered(path: Sequence[str], kinds: Sequence[ResourceType]) -> Object | None:
    """The document under a path such as `("apis", "ray.io", "v1")`; None where discovery has none."""
    match path:
        case ["version"]:
            return VERSION
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"]}
        case ["apis"]:
            names = sorted({kind.group for kind in kinds if kind.group})
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name, kinds) for name in names]}
        case ["apis", name]:
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, kinds)} if _versions(name, kinds) else None
        case ["api", version]:
            return _resources([kind for kind in kinds if (kind.group, kind.version) == ("", version)], version)
        case ["apis", group, version]:
            found = [kind for kind in kinds if (kind.group, kind.version) == (group, version)]
            return _resources(found, f"{group}/{version}")
    return None


def _versions(group: str, kinds: Sequence[ResourceType]) -> list[str]:
    """Stable ones first: `v1` before `v1alpha1`."""
    return sorted(
        {kind.version for kind in kinds if kind.group == group}, key=lambda version: ("a" in version, version)
    )


def _group(name: str, kinds: Sequence[ResourceType]) -> Object:
    versions = [{"groupVersion": f"{name}/{version}", "version": version} for version in _versions(name, kinds)]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def _resources(kinds: Sequence[ResourceType], group_version: str) -> Object | None:
    if not kinds:
        return None
    listed = []
    for kind in kinds:
        entry: Object = {"name": kind.plural, "singularName": kind.singular or kind.kind.lower(), "kind": kind.kind}
        entry |= {"namespaced": kind.namespaced, "verbs": _VERBS}
        listed.append(entry | ({"shortNames": [*kind.short_names]} if kind.short_names else {}))
        if kind.has_status:
            verbs = ["get", "patch", "update"]
            listed.append({**entry, "name": f"{kind.plural}/status", "singularName": "", "verbs": verbs})
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": listed}
