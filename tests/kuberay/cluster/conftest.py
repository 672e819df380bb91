"""The live cluster of these tests: the fake API server over HTTP, with KubeRay's operator, in virtual time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from kuberay.cluster.client import ApiServer
from kuberay.cluster.delete import Extent, delete
from kuberay.cluster.errors import ClusterError
from kuberay.cluster.exits import Exit
from kuberay.cluster.look import look
from kuberay.cluster.manifests import Manifests, arrange
from kuberay.cluster.needs import needed_objects
from kuberay.cluster.rollout import Wishes, roll_back, roll_out, settle
from kuberay.cluster.settings_source import rendered
from kuberay.cluster.wait import Terminal, wait
from kuberay.command import app
from tests.kuberay.fake_api.cluster import FakeCluster
from tests.kuberay.fake_api.operator import Operator

Object = dict[str, Any]
Run = Callable[..., Result]

NAMESPACE = "default"
DEPLOY = Path(__file__).parents[3] / "deploy"
REWRITE = "HEADRACE_TEST_WRITE_GOLDEN"


class Session:
    """A user at a terminal: commands in, an exit status and printed lines out.

    Attributes:
        lines: Everything that was printed.
    """

    def __init__(self, cluster: FakeCluster, operator: Operator, server: ApiServer) -> None:
        self.cluster, self.operator, self.server = cluster, operator, server
        self.lines: list[str] = []
        self.terminal = Terminal(self.lines.append, cluster.clock.elapsed_s, operator.run)

    def apply(self, *items: Object, **wishes: Any) -> Exit:
        """`apply`, of objects; their namespace is the default one."""
        self.lines.append(f"$ apply{_options(wishes)}")
        return self._ended(lambda: roll_out(self.server, manifests(*items), Wishes(**wishes), self.terminal))

    def wait(self, name: str = "svc", timeout_s: float = 1800.0) -> Exit:
        """`wait`."""
        self.lines.append(f"$ wait {name}")
        see = partial(look, self.server, name, NAMESPACE)

        def ended() -> Exit:
            return settle(self.server, name, NAMESPACE, wait(see, self.terminal, timeout_s), self.terminal)

        return self._ended(ended)

    def rollback(self, name: str = "svc", **wishes: Any) -> Exit:
        """`rollback`, with a wait."""
        self.lines.append(f"$ rollback {name}{_options(wishes)}")
        chosen = Wishes(**{"wait": True, **wishes})
        return self._ended(lambda: roll_back(self.server, name, NAMESPACE, chosen, self.terminal))

    def delete(self, name: str = "svc", timeout_s: float = 600.0, **extent: bool) -> Exit:
        """`delete`."""
        self.lines.append(f"$ delete {name}{_options(extent)}")
        chosen = Extent(**extent)
        return self._ended(lambda: delete(self.server, name, NAMESPACE, chosen, self.terminal, timeout_s))

    def _ended(self, command: Callable[[], Exit]) -> Exit:
        try:
            state = command()
        except ClusterError as error:
            self.lines.extend(str(error).splitlines())
            state = Exit.REFUSED
        self.lines.append(f"exit status {int(state)} ({state.name})")
        return state


def _options(wishes: dict[str, Any]) -> str:
    named = ((name.replace("_", "-"), value) for name, value in wishes.items())
    return "".join(f" --{name}" + ("" if value is True else f" {value}") for name, value in named)


def manifests(*items: Object) -> Manifests:
    """Objects as `apply` takes them."""
    return arrange(deepcopy(items), None, frozenset({"Namespace"}), NAMESPACE)


@pytest.fixture
def server(ray_cluster: FakeCluster) -> Iterator[ApiServer]:
    """Our client of the fake server."""
    with ApiServer(ray_cluster.api_client(), NAMESPACE) as server:
        yield server


OPERATOR_LABELS = {"app.kubernetes.io/name": "kuberay-operator", "app.kubernetes.io/component": "kuberay-operator"}
HELM_LABELS = {"app.kubernetes.io/name": "kuberay-operator", "app.kubernetes.io/managed-by": "Helm"}
KUSTOMIZE_LABELS = {"app.kubernetes.io/name": "kuberay", "app.kubernetes.io/component": "kuberay-operator"}


def operator_deployment(
    image: str = "quay.io/kuberay/operator:v1.7.0", *arguments: str, labels: dict[str, str] = HELM_LABELS
) -> Object:
    """What shows that an operator is installed, and which; the labels are the Deployment's own."""
    container = {"name": "kuberay-operator", "image": image, "args": [*arguments]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "kuberay-operator", "namespace": "kube-system", "labels": labels},
        "spec": {
            "selector": {"matchLabels": OPERATOR_LABELS},
            "template": {"metadata": {"labels": OPERATOR_LABELS}, "spec": {"containers": [container]}},
        },
    }


@pytest.fixture
def session(ray_cluster: FakeCluster, operator: Operator, server: ApiServer) -> Session:
    """A terminal before that cluster."""
    server.apply(operator_deployment())
    return Session(ray_cluster, operator, server)


@pytest.fixture
def run(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line against the fake cluster."""
    monkeypatch.setenv("KUBECONFIG", str(session.cluster.kubeconfig(tmp_path / "kubeconfig")))

    def run(*arguments: str | Path) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


def prepare_for(session: Session, settings: Path) -> None:
    """Make what cluster settings expect to find: kinds, the namespace, Secrets."""
    for kind, plural in (("PodMonitor", "podmonitors"), ("PrometheusRule", "prometheusrules")):
        session.cluster.install_open_kind("monitoring.coreos.com/v1", kind, plural)
    session.server.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "headrace"}})
    for needed in needed_objects(arrange(rendered(settings), None, frozenset(), "headrace")):
        if needed.kind == "Secret":
            data = dict.fromkeys(needed.keys, "c2VjcmV0")
            metadata = {"name": needed.name, "namespace": "headrace"}
            session.server.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})


@pytest.fixture
def golden() -> Callable[[str, Sequence[str]], None]:
    """Compare printed lines with a file of the folder `golden`."""
    return check_golden


def check_golden(name: str, lines: Sequence[str]) -> None:
    """Compare lines with a golden file; HEADRACE_TEST_WRITE_GOLDEN=1 writes it, to be read before it is committed."""
    path = Path(__file__).parent / "golden" / f"{name}.txt"
    text = "\n".join(lines) + "\n"
    if os.environ.get(REWRITE):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()
