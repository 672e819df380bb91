"""The commands as a pipeline runs them: a kubeconfig, files, exit statuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.kuberay.cluster.conftest import DEPLOY, Run, Session, manifests, prepare_for
from tests.kuberay.fake_api.manifests import ray_service


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of manifests."""
    path = tmp_path / "manifests"
    path.mkdir()
    (path / "service.yaml").write_text(yaml.safe_dump_all(manifests(ray_service()).items))
    return path


def test_apply_status_delete(run: Run, folder: Path, session: Session) -> None:
    assert run("apply", folder, "--dry-run").stdout == "RayService svc: would be created\n"
    assert run("apply", folder).exit_code == 0
    session.operator.run(30)
    (found,) = json.loads(run("status", "svc", "--json").stdout)
    assert found["verdict"]["state"] == "ready"
    assert found["revisions"] == [{"number": 1, "good": False}]
    assert run("wait", "svc", "--timeout-s", "0").exit_code == 0, "one look is enough for what is ready"
    shown = run("status").stdout
    assert "default/svc  ready (NonZeroServeEndpoints), generation 1" in shown
    assert "RUNNING" in shown
    assert run("delete", "svc", "--timeout-s", "0").exit_code == 1, "it asks first"
    # Nobody steps the operator meanwhile, so that it stays.
    ended = run("delete", "svc", "--yes", "--timeout-s", "0")
    assert ended.exit_code == 3
    assert "RayService svc waits for KubeRay's operator" in ended.stdout


def test_exit_statuses(run: Run, folder: Path) -> None:
    assert run("apply", folder, "--rollback-on-failure").exit_code == 2
    assert run("apply", folder / "none").exit_code == 2
    assert run("apply", folder, "--context", "other").exit_code == 4
    assert run("rollback", "svc").exit_code == 4
    assert run("wait", "svc").exit_code == 1
    assert run("status", "svc").exit_code == 1
    run("apply", folder)
    assert run("wait", "svc", "--timeout-s", "0").exit_code == 3


def test_status_shows_what_may_be_read_and_says_once_what_may_not(run: Run, folder: Path, session: Session) -> None:
    run("apply", folder)
    session.apply(ray_service("other"))
    session.operator.run(30)
    for plural in ("pods", "events", "secrets"):
        session.cluster.forbid("list", plural)
    shown = run("status")
    assert shown.exit_code == 0, shown.stderr
    assert "default/svc  ready" in shown.stdout
    assert "default/other  ready" in shown.stdout
    assert [line for line in shown.stdout.splitlines() if line.startswith("note")] == [
        "note: pods may not be read here; troubles of pods are not seen",
        "note: events may not be read here; what only events tell is not seen",
        "note: Secrets may not be read here; revisions are not seen",
    ]
    (found,) = json.loads(run("status", "svc", "--json").stdout)
    assert found["verdict"]["state"] == "ready"
    assert found["clusters"][0]["groups"][0]["ready"] is None
    assert len(found["notes"]) == 3


@pytest.mark.parametrize("when", ["2026-13-45", "2026-11-27"])
def test_dates_in_manifests_are_text_as_the_server_reads_them(
    run: Run, folder: Path, session: Session, when: str
) -> None:
    path = folder / "service.yaml"
    path.write_text(path.read_text().replace("metadata:\n", f"metadata:\n  annotations: {{since: {when}}}\n", 1))
    assert run("apply", folder).exit_code == 0
    live = session.server.get("ray.io/v1", "RayService", "svc")
    assert live is not None
    assert live["metadata"]["annotations"]["since"] == when


def test_manifests_that_cannot_be_read_are_refused_with_their_lines(run: Run, folder: Path) -> None:
    (folder / "a.yaml").write_text("kind: A\nsince: !!timestamp 2026-13-45\n")
    (folder / "b.yaml").write_text("kind: B\nlist: [\n")
    refused = run("apply", folder)
    assert refused.exit_code == 4
    first, second = refused.stderr.splitlines()
    assert first == f"{folder}/a.yaml:2: month must be in 1..12"
    assert second.startswith(f"{folder}/b.yaml:3: ")


def test_ctrl_c_says_that_the_cluster_goes_on(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    run("apply", folder)
    monkeypatch.setattr("kuberay.cluster.wait.wait", interrupted)
    ended = run("wait", "svc")
    assert (ended.exit_code, ended.stderr) == (130, "stopped looking; the cluster goes on: `wait NAME` looks again\n")


def test_no_server(run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = yaml.safe_load((tmp_path / "kubeconfig").read_text())
    config["clusters"][0]["cluster"]["server"] = "http://127.0.0.1:9"
    (tmp_path / "gone").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "gone"))
    ended = run("apply", folder)
    assert ended.exit_code == 4
    assert "the API server does not answer" in ended.stderr


def test_cluster_settings_are_rendered_and_applied(run: Run, session: Session) -> None:
    """The committed CPU profile, in a cluster that has what it asks for."""
    settings = DEPLOY / "cpu-only" / "cluster.yaml"
    refused = run("apply", settings)
    assert refused.exit_code == 4
    assert "kubectl create namespace headrace && kubectl -n headrace create secret generic" in refused.stderr
    prepare_for(session, settings)
    tried = run("apply", settings, "--dry-run")
    assert tried.exit_code == 0, tried.stderr
    assert "RayService headrace: would be created" in tried.stdout
    assert run("apply", settings).exit_code == 0
    again = run("apply", settings)
    assert {line.rpartition(": ")[2] for line in again.stdout.splitlines()} == {"unchanged"}
