"""The API server, reduced to what is needed of it; its refusals come as our own errors."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import urllib3
from kubernetes import client, config
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import DynamicApiError, ResourceNotFoundError

from kuberay.cluster.errors import ClusterError, KindMissing, NotDone, Unreachable
from kuberay.cluster.refusal import refusal

FIELD_MANAGER = "headrace"
"""Our name as an owner of fields."""

_TIMEOUT_S = (5, 30)
_JSON_PATCH = "application/json-patch+json"

Object = dict[str, Any]


class _Client(DynamicClient):
    """The library's, which waits for ever for an answer unless told otherwise, while it looks for kinds, too."""

    def request(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        params.setdefault("_request_timeout", _TIMEOUT_S)
        return super().request(method, path, body=body, **params)


class ApiServer:
    """One cluster's API server, seen from one namespace; leave it as a context manager.

    Args:
        api: A client of the real library.
        namespace: The one that is meant where none is named.
    """

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self.namespace = namespace
        # By default a cluster's kinds are kept in /tmp, named by host and port, and outlive an upgrade of them.
        self._cache = tempfile.TemporaryDirectory(prefix="headrace-")
        try:
            with _errors("ask which kinds it has"):
                kinds = str(Path(self._cache.name) / "kinds.json")
                self._dynamic = _Client(api, cache_file=kinds)  # type: ignore[no-untyped-call]
        except ClusterError:
            self._cache.cleanup()
            raise

    @classmethod
    def connect(cls, context: str | None, namespace: str | None) -> Self:
        """Connect as kubectl would: by the kubeconfig, or from inside a pod.

        Raises:
            NotDone: There is no configuration of that name.
            Unreachable: The server does not answer.
        """
        chosen = namespace
        # The library reads the variable once, when it is imported.
        file = os.environ.get("KUBECONFIG") or config.KUBE_CONFIG_DEFAULT_LOCATION
        try:
            contexts, active = config.list_kube_config_contexts(config_file=file)
            named = next((found for found in contexts if found["name"] == context), active)
            api = config.new_client_from_config(config_file=file, context=context)
            chosen = namespace or (named.get("context") or {}).get("namespace")
        except config.ConfigException as error:
            if context is not None:
                raise NotDone(f"there is no context '{context}' in the kubeconfig: {error}") from error
            try:
                inside = client.Configuration()
                config.load_incluster_config(inside)
            except config.ConfigException:
                raise NotDone(f"no cluster to speak to: {error}; set KUBECONFIG or choose --context") from error
            api = client.ApiClient(inside)
        return cls(api, chosen or "default")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._cache.cleanup()

    def knows(self, api_version: str, kind: str) -> bool:
        """Whether the cluster has a kind."""
        try:
            self._resource(api_version, kind)
        except KindMissing:
            return False
        return True

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """One object, or None."""
        resource = self._resource(api_version, kind)
        with _errors(f"get {kind} {name}"):
            try:
                found = resource.get(name=name, namespace=self._place(resource, namespace))
            except DynamicApiError as error:
                if error.status == 404:
                    return None
                raise
        return _plain(found)

    def find(
        self, api_version: str, kind: str, labels: str = "", fields: str = "", namespace: str | None = None
    ) -> list[Object]:
        """Objects by selectors; of a namespace, or with an empty one of all."""
        resource = self._resource(api_version, kind)
        place = None if namespace == "" else self._place(resource, namespace)
        with _errors(f"list {kind}s"):
            found = resource.get(namespace=place, label_selector=labels, field_selector=fields)
        kinds = {"apiVersion": api_version, "kind": kind}
        return [{**kinds, **item} for item in _plain(found)["items"]]

    def apply(self, manifest: Mapping[str, Any], *, is_dry_run: bool = False, is_forced: bool = False) -> Object:
        """Server-side apply; the object as it is stored, or would be.

        Raises:
            Refused: With the fields and why, or who else owns them.
        """
        kind, metadata = manifest["kind"], manifest["metadata"]
        resource = self._resource(manifest["apiVersion"], kind)
        with _errors(f"apply {kind} {metadata['name']}"):
            return _plain(
                resource.server_side_apply(
                    body=dict(manifest),
                    name=metadata["name"],
                    namespace=self._place(resource, metadata.get("namespace")),
                    field_manager=FIELD_MANAGER,
                    force_conflicts=is_forced,
                    dry_run="All" if is_dry_run else None,
                    query_params=[("fieldValidation", "Strict")],
                )
            )

    def patch_json(self, item: Mapping[str, Any], patch: list[Object], *, is_dry_run: bool = False) -> Object:
        """JSON patch of an object that somebody else applies; the object as it is stored, or would be."""
        kind, metadata = item["kind"], item["metadata"]
        resource = self._resource(item["apiVersion"], kind)
        with _errors(f"patch {kind} {metadata['name']}"):
            return _plain(
                resource.patch(
                    body=patch,
                    name=metadata["name"],
                    namespace=metadata.get("namespace"),
                    content_type=_JSON_PATCH,
                    field_manager=FIELD_MANAGER,
                    dry_run="All" if is_dry_run else None,
                )
            )

    def delete(self, item: Mapping[str, Any]) -> bool:
        """Delete an object; False if it was gone already."""
        kind, metadata = item["kind"], item["metadata"]
        resource = self._resource(item["apiVersion"], kind)
        with _errors(f"delete {kind} {metadata['name']}"):
            try:
                resource.delete(
                    name=metadata["name"], namespace=metadata.get("namespace"), propagation_policy="Background"
                )
            except DynamicApiError as error:
                if error.status == 404:
                    return False
                raise
        return True

    def is_namespaced(self, api_version: str, kind: str) -> bool:
        """Whether objects of a kind lie in a namespace."""
        return bool(self._resource(api_version, kind).namespaced)

    def _resource(self, api_version: str, kind: str) -> Any:
        with _errors(f"ask for kind {kind}"):
            try:
                return self._dynamic.resources.get(api_version=api_version, kind=kind)
            except ResourceNotFoundError as error:
                raise KindMissing(api_version, kind) from error

    def _place(self, resource: Any, namespace: str | None) -> str | None:
        return (namespace or self.namespace) if resource.namespaced else None


@contextmanager
def _errors(doing: str) -> Iterator[None]:
    try:
        yield
    except ClusterError:
        raise
    except client.ApiException as error:
        raise refusal(doing, error.status or 0, error.reason, error.body) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise Unreachable(doing, str(getattr(error, "reason", None) or error)) from error


def _plain(found: Any) -> Object:
    plain: Object = found.to_dict()
    return plain
