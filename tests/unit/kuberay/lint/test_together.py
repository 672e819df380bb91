"""Which documents may refer to each other: those of one cluster's folder, and of no other."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from kuberay.lint.finding import Finding
from kuberay.lint.run import lint
from tests.unit.kuberay.lint.cases import as_yaml, budget, edited, service

DEPLOY = Path(__file__).parents[4] / "deploy"
PROFILES = sorted(path.parent.name for path in DEPLOY.glob("*/cluster.yaml"))


@pytest.fixture
def deploy(tmp_path: Path) -> Path:
    """The profiles, side by side as they are committed."""
    for name in PROFILES:
        shutil.copytree(DEPLOY / name, tmp_path / name, ignore=shutil.ignore_patterns("*dashboards*", "*.json"))
    return tmp_path


def test_profiles_side_by_side_are_looked_at_one_by_one(deploy: Path) -> None:
    path = deploy / "cpu-only/manifests/40-disruption.yaml"
    path.write_text(path.read_text().replace("minAvailable: 1", "minAvailable: 2"))
    alone = {finding for name in PROFILES for finding in lint([deploy / name])}
    assert "budget-blocks-drains" in {finding.rule for finding in alone}
    assert set(lint([deploy])) == alone


def test_each_is_for_the_operator_that_its_own_settings_name(deploy: Path) -> None:
    assert PROFILES[0] == "cpu-only"
    path = deploy / "cpu-only/cluster.yaml"
    path.write_text(path.read_text() + "kuberay_version: 1.4.0\n")
    told = [finding for finding in lint([deploy]) if finding.rule == "kuberay-too-old"]
    assert {Path(finding.file).parts[-3] for finding in told} == {"cpu-only"}


def write(path: Path, *manifests: dict[str, Any]) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(as_yaml(manifests))
    return path


def rules(found: list[Finding]) -> set[str]:
    return {finding.rule for finding in found}


def test_without_settings_files_that_are_named_or_a_folder_are_together(tmp_path: Path) -> None:
    blocking = edited(budget(), {"spec.minAvailable": 3})
    small = write(tmp_path / "one/budget.yaml", blocking), write(tmp_path / "one/service.yaml", service())
    assert rules(lint(small)) == rules(lint([tmp_path / "one"])) == {"budget-blocks-drains"}
    write(tmp_path / "two/service.yaml", edited(service(), {"W.maxReplicas": 8, "W.minReplicas": 8}))
    assert rules(lint([tmp_path / "one", tmp_path / "two"])) == {"budget-blocks-drains"}
