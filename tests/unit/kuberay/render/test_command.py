"""`python -m kuberay render`, and `--check`."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from kuberay.command import app, k8s
from tests.unit.kuberay.render.building import cluster, platform

RUNNER = CliRunner()


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    platform(tmp_path)
    path = tmp_path / "cluster.yaml"
    path.write_text(
        yaml.safe_dump(cluster(monitoring={"enabled": False}).model_dump(mode="json", exclude_defaults=True))
    )
    return path


def run(*arguments: str | Path, code: int = 0) -> str:
    result = RUNNER.invoke(app, ["render", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


def test_it_writes_once(settings: Path) -> None:
    folder = settings.parent / "manifests"
    assert run(settings).splitlines()[-1] == f"{folder}: 4 files, 4 changed"
    assert run(settings) == f"{folder}: 4 files, 0 changed\n"
    assert run(settings, "--check") == f"{folder}: 4 files, as the settings give them\n"


def test_a_check_names_the_file_and_shows_what_differs(settings: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(settings, "--out", out)
    service, account = out / "50-rayservice.yaml", out / "10-access.yaml"
    service.write_text(service.read_text().replace("maxReplicas: 2", "maxReplicas: 3"))
    account.unlink()
    (out / "60-monitoring.yaml").write_text((out / "00-namespace.yaml").read_text())
    (out / "mine.yaml").write_text("kind: ConfigMap\n")
    lines = run(settings, "--out", out, "--check", code=1).splitlines()
    assert [line for line in lines if not line.startswith("@@")] == [
        f"{account}: is missing",
        f"{service}: is not what the settings give",
        "--- there",
        "+++ rendered",
        "         minReplicas: 1",
        "-        maxReplicas: 3",
        "+        maxReplicas: 2",
        "         # Longer with a GPU: its models take long to load.",
        f"{out / '60-monitoring.yaml'}: is left over, the settings give no such file",
        f"to put it right: python -m kuberay render {settings} --out {out}",
    ]
    assert service.read_text().count("maxReplicas: 3") == 1, "a check writes nothing"
    run(settings, "--out", out)
    assert not (out / "60-monitoring.yaml").exists()
    assert (out / "mine.yaml").exists(), "it was not rendered"


def test_a_long_difference_is_cut(settings: Path) -> None:
    run(settings)
    path = settings.parent / "manifests" / "50-rayservice.yaml"
    path.write_text("".join(f"line {number}\n" for number in range(100)))
    lines = run(settings, "--check", code=1).splitlines()
    assert lines[13] == "..."
    assert len(lines) == 15


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kuberay_version": "1.3.0"}, "cluster.yaml: kuberay_version 1.3.0: 1.4.0 is the oldest"),
        ({"grups": []}, "cluster.yaml: grups: "),
        ({"platform": "none.yaml"}, "none.yaml: No such file"),
    ],
)
def test_what_cannot_be_rendered_is_said_on_one_line(settings: Path, change: dict[str, object], words: str) -> None:
    settings.write_text(yaml.safe_dump(yaml.safe_load(settings.read_text()) | change))
    output = run(settings, code=1)
    assert words in output
    assert len(output.splitlines()) == 1


def test_headrace_offers_the_same_under_k8s() -> None:
    assert "Write the Kubernetes manifests" in RUNNER.invoke(k8s, ["k8s", "render", "--help"]).output
