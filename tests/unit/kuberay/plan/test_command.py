"""Tests of `python -m kuberay plan`: sources, exit status, output."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kuberay.command import app

DEPLOY = Path(__file__).parents[4] / "deploy"
PROFILES = sorted(DEPLOY.glob("*/cluster.yaml"))


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """A copy of a profile, to be changed."""
    for name in ("cluster.yaml", "platform.yaml"):
        shutil.copy(DEPLOY / "eks-cpu-gpu-spot" / name, tmp_path / name)
    return tmp_path / "cluster.yaml"


def plan(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["plan", *map(str, arguments)])


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.parent.name)
def test_every_profile_fits_and_is_as_its_manifests(path: Path) -> None:
    result = plan(path, "--against-manifests", path.parent / "manifests")
    assert "\nNothing changes.\n" in result.stdout
    assert result.exit_code == 0


def test_a_group_that_is_too_small_is_status_2_with_the_number_that_helps(settings: Path) -> None:
    settings.write_text(
        settings.read_text().replace("max_nodes: 3", "max_nodes: 1").replace("max_nodes: 6", "max_nodes: 2")
    )
    result = plan(settings, "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == found["status"] == 2
    enough = found["at_max"]["enough_max_nodes"]
    assert enough
    for name, max_nodes in enough.items():
        lines = settings.read_text().split(f"- name: {name}\n")
        assert len(lines) == 2
        head, _, rest = lines[1].partition("max_nodes: ")
        settings.write_text(f"{lines[0]}- name: {name}\n{head}max_nodes: {max_nodes}\n{rest.partition(chr(10))[2]}")
    assert plan(settings).exit_code == 0


def test_from_one_cluster_file_to_another(settings: Path) -> None:
    platform = settings.with_name("platform.yaml")
    platform.write_text(platform.read_text().replace("max_replicas: 8, slo_s: 0.5", "max_replicas: 7, slo_s: 0.5"))
    result = plan(settings, "--against", DEPLOY / "eks-cpu-gpu-spot" / "cluster.yaml")
    assert "Replicas restart, on the live cluster\n" in result.stdout
    assert "  headrace: minilm-v1-cpu: 1 to 8 replicas -> 1 to 7 replicas\n" in result.stdout
    assert result.exit_code == 0


def test_what_cannot_be_read_is_status_1(settings: Path, tmp_path: Path) -> None:
    missing = plan(tmp_path / "none.yaml")
    assert missing.exit_code == 1
    assert "none.yaml: " in missing.stderr
    folder = tmp_path / "manifests"
    for text, said in ((None, "holds no .yaml file"), ("a: [", "while parsing"), ("metadata: x", "it is no manifest")):
        folder.mkdir(exist_ok=True)
        if text is not None:
            (folder / "a.yaml").write_text(f"apiVersion: v1\nkind: A\n{text}")
        empty = plan(settings, "--against-manifests", folder)
        assert empty.exit_code == 1
        assert said in empty.stderr


def test_what_always_runs_is_in_the_price(settings: Path) -> None:
    assert " $3.17 an hour\n" in plan(settings).stdout
    assert json.loads(plan(settings, "--json").stdout)["always_per_hour"] == pytest.approx(0.694)
    settings.write_text(settings.read_text().replace("0.48}\n", "0}\n").replace("0.214", "0"))
    assert " $2.48 an hour without the head\n" in plan(settings).stdout


def test_one_thing_is_compared_with(settings: Path) -> None:
    assert plan(settings, "--live", "--against", settings).exit_code == 2
    assert "choose one of" in plan(settings, "--live", "--against", settings).stderr
