"""The fake cluster as a test sees it: a server to talk to, a clock to move, and what can be wrong with it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Self

import yaml
from kubernetes import client
from kubernetes.dynamic import DynamicClient

from tests.kuberay.fake_api.api import Api
from tests.kuberay.fake_api.calls import Call
from tests.kuberay.fake_api.clock import FakeClock
from tests.kuberay.fake_api.errors import ApiError, Object, forbidden
from tests.kuberay.fake_api.http import Gate, Server

USER = "system:serviceaccount:default:headrace"


class FakeCluster:
    """A Kubernetes API server on loopback, in a thread of this process; leave it as a context manager.

    Attributes:
        api: The same objects without HTTP.
        clock: Time of every stamp.
        gates: Asked before each request; append one to refuse some.
    """

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.api = Api(self.clock)
        self.gates: list[Gate] = []
        self._server = Server(self.api, self.gates)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.is_open = False
        with self.api.store.changed:
            self.api.store.changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def pace_watches(self, pace: Callable[[], None] | None) -> None:
        """Let watches drive the world instead of waiting for it, such as with `operator.step`.

        A watch with nothing to tell then takes a step, and another, and ends once it has told something or its time,
        which is now the cluster's, is over. One client that watches one thing at a time so sees the same in every run,
        in no time; several that watch at once do not.
        """
        self._server.pace = pace

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def api_client(self) -> client.ApiClient:
        """A client of the real library that talks to it."""
        configuration = client.Configuration(host=self.url)
        configuration.retries = False
        return client.ApiClient(configuration)

    def dynamic_client(self, cache_file: Path) -> DynamicClient:
        """A dynamic client of the real library.

        Args:
            cache_file: Where it keeps what it discovers. By default that is a file in /tmp named by host and port, and
                a port comes back: one cluster's kinds would be found in the next.
        """
        return DynamicClient(self.api_client(), cache_file=str(cache_file))

    def kubeconfig(self, path: Path) -> Path:
        """Write a configuration file whose current context is this cluster."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake", "namespace": "default"}}],
            "clusters": [{"name": "fake", "cluster": {"server": self.url}}],
            "users": [{"name": "fake", "user": {}}],
        }
        path.write_text(yaml.safe_dump(config))
        return path

    def install_crds(self, *paths: Path) -> None:
        """Make the kinds that files of CustomResourceDefinitions define."""
        for path in paths:
            self.install_crd(read_crd(path))

    def install_crd(self, crd: Object) -> None:
        """Make the kinds that one CustomResourceDefinition defines."""
        self.api.create(Call(self.api.kind("apiextensions.k8s.io", "v1", "customresourcedefinitions")), crd)

    def install_open_kind(self, api_version: str, kind: str, plural: str, *, namespaced: bool = True) -> None:
        """Make a kind whose objects may hold anything, such as a PodMonitor's."""
        group, _, version = api_version.partition("/")
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
        served = {"name": version, "served": True, "storage": True, "subresources": {"status": {}}}
        served["schema"] = {"openAPIV3Schema": schema}
        scope = "Namespaced" if namespaced else "Cluster"
        spec = {"group": group, "names": names, "scope": scope, "versions": [served]}
        self.install_crd({"metadata": {"name": f"{plural}.{group}"}, "spec": spec})

    def forbid(self, verb: str, plural: str) -> None:
        """Let RBAC refuse a verb on a resource."""

        def gate(asked: str, call: Call) -> ApiError | None:
            if (asked, call.kind.plural) != (verb, plural):
                return None
            return forbidden(USER, verb, call.kind.group, plural, call.namespace or None, call.name or None)

        self.gates.append(gate)

    def refuse(self, error: ApiError, times: int = 1) -> None:
        """Answer the next requests with an error, whatever they ask."""
        left = [error] * times
        self.gates.append(lambda verb, call: left.pop() if left else None)


@lru_cache
def read_crd(path: Path) -> Object:
    """A CustomResourceDefinition from a file; read once, for it is a megabyte of YAML."""
    crd: Object = yaml.load(path.read_text(), yaml.CSafeLoader)
    return crd
