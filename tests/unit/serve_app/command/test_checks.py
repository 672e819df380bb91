from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from serve_app.command.checks import Finding, Machine, check_file, check_settings, this_machine
from serve_app.command.commands import app
from serve_app.settings import parse_settings

LARGE = Machine(num_cores=64, num_gpus=8, memory_bytes=2**40)
SMALL = Machine(num_cores=2, num_gpus=0, memory_bytes=2**30)


def check(data: dict[str, Any], machine: Machine = LARGE) -> list[Finding]:
    return check_settings(parse_settings(data, "test"), machine)


def of(name: str, **options: Any) -> dict[str, Any]:
    return {"models": [{"name": name, **options}]}


GPU = {"name": "gpu", "device": "gpu", "num_gpus": 1}


@pytest.mark.parametrize(
    ("data", "machine", "expected"),
    [
        (of("minilm"), LARGE, []),
        ({}, LARGE, []),
        (of("minilm", pools=[{"precision": "bf16"}]), LARGE, []),
        (of("nosuch"), LARGE, [("model", "error", "models.0")]),
        (of("echo", versions=["9"]), LARGE, [("model", "error", "models.0")]),
        (of("echo", labels={"canary": "9"}), LARGE, [("model", "error", "models.0")]),
        ({"repositories": ["/no/such/folder"]}, LARGE, [("repositories", "error", "repositories")]),
        (of("echo", pools=[{}, {"name": "b", "precision": "bf16"}]), LARGE,
         [("precision", "error", "models.0.pools.1.precision")]),
        (of("digits", files={"wieghts": "file:///x"}), LARGE, [("file-unknown", "error", "models.0.files.wieghts")]),
        (of("echo", preprocessing="own"), LARGE, [("preprocessing-unused", "warning", "models.0.preprocessing")]),
        (of("echo", placement="router", pools=[{"autoscaling": {}}]), LARGE,
         [("autoscaling-router", "warning", "models.0.pools.0.autoscaling")]),
        (of("echo", placement="router", pools=[{"num_replicas": 2}]), LARGE,
         [("replicas-router", "warning", "models.0.pools.0.num_replicas")]),
        (of("echo", placement="router", pools=[{}, {"name": "b"}]), LARGE,
         [("router-pools", "warning", "models.0.pools")]),
        (of("echo", pools=[{"num_replicas": 2, "autoscaling": {}}]), LARGE,
         [("replicas-ignored", "warning", "models.0.pools.0.num_replicas")]),
        (of("echo", pools=[{"autoscaling": {"policy": "ray", "target_ongoing_requests": 3}}]), LARGE,
         [("target-unreachable", "warning", "models.0.pools.0.autoscaling.target_ongoing_requests")]),
        ({**of("echo", pools=[{"autoscaling": {"policy": "ray", "target_ongoing_requests": 3}}]),
          "router": {"num_replicas": 2}},
         LARGE, []),
        ({**of("echo", pools=[{"autoscaling": {"policy": "ray", "target_ongoing_requests": 3}}]),
          "router": {"autoscaling": {"max_replicas": 2}}},
         LARGE, []),
        ({**of("echo"), "router": {"num_cpus": 1, "autoscaling": {"min_replicas": 2}}}, SMALL,
         [("cpus-over-cores", "warning", "models")]),
        ({**of("efficientnet_lite0", preprocessing="own"),
          "preprocessors": {"num_replicas": 9, "num_cpus": 1, "autoscaling": {}}},
         SMALL, []),
        ({**of("minilm", placement="router"), "router": {"autoscaling": {"min_replicas": 3}}}, SMALL,
         [("threads-over-cores", "warning", "models")]),
        (of("minilm", pools=[{}, GPU]), LARGE, []),
        (of("minilm", pools=[{}, GPU]), SMALL, [("gpu-absent", "info", "models.0.pools.1.device")]),
        (of("minilm", pools=[{}, {**GPU, "start": "always"}]), SMALL,
         [("gpu-absent", "warning", "models.0.pools.1.device")]),
        (of("minilm", pools=[GPU]), SMALL,
         [("no-pool", "warning", "models.0.pools"), ("gpu-absent", "info", "models.0.pools.0.device")]),
        (of("minilm", pools=[{"num_replicas": 3}]), SMALL, [("threads-over-cores", "warning", "models")]),
        (of("echo", pools=[{"num_replicas": 3}]), SMALL, []),
        (of("echo", pools=[{"num_cpus": 2}]), SMALL, [("cpus-over-cores", "warning", "models")]),
        (of("echo", pools=[{"memory_bytes": 2**31}]), SMALL, [("memory-over-machine", "warning", "models")]),
    ],
)  # fmt: skip
def test_findings(data: dict[str, Any], machine: Machine, expected: list[tuple[str, str, str]]) -> None:
    assert [(found.id, found.severity, found.path) for found in check(data, machine)] == expected


def test_one_missing_model_hides_no_other_finding_and_errors_come_first() -> None:
    data = {"models": [
        {"name": "echo", "preprocessing": "own", "pools": [{"precision": "bf16"}]}, {"name": "a"}, {"name": "b"},
    ]}  # fmt: skip
    found = check(data)
    assert [finding.path for finding in found] == [
        "models.1", "models.2", "models.0.pools.0.precision", "models.0.preprocessing",
    ]  # fmt: skip


def test_a_wrong_manifest_and_a_label_of_a_version_not_served(tmp_path: Path) -> None:
    for version, text in (("1", "name: m\n"), ("2", "name: m\nversion: '2'\nbackend: echo\ninputs: &t\n"
                          "  - {name: x, datatype: FP32, shape: [-1]}\noutputs: *t\n")):  # fmt: skip
        folder = tmp_path / "m" / version
        folder.mkdir(parents=True)
        (folder / "model.yaml").write_text(text)
    data = {"repositories": [str(tmp_path)], **of("m", versions=["1"], labels={"stable": "2"})}
    assert [(found.id, found.path) for found in check(data)] == [
        ("manifest", "models.0"),
        ("label-unserved", "models.0.labels.stable"),
    ]


def test_pools_are_named_where_threads_are_too_many() -> None:
    (found,) = check(of("minilm", pools=[{"name": "small", "num_cpus": 1}, {"name": "big", "num_replicas": 2}]), SMALL)
    assert "3 compute threads for the 2 cores" in found.message
    assert "minilm/1/small 1, minilm/1/big 2" in found.message


def test_a_file_that_is_no_settings(tmp_path: Path) -> None:
    assert [found.id for found in check_file(tmp_path / "none.yaml", LARGE)] == ["settings"]
    path = tmp_path / "typo.yaml"
    path.write_text("modles: []\n")
    (found,) = check_file(path, LARGE)
    assert "modles: unknown key" in found.message


def test_the_command_s_exit_code_and_json(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(json.dumps(of("nosuch")))
    result = CliRunner().invoke(app, ["check", str(path)])
    assert result.exit_code == 1
    assert result.output.startswith("error: models.0: ")
    (finding,) = json.loads(CliRunner().invoke(app, ["check", str(path), "--json"]).output)
    assert finding.keys() == {"id", "severity", "path", "message"}
    path.write_text(json.dumps(of("echo", preprocessing="own")))
    result = CliRunner().invoke(app, ["check", str(path)])
    assert result.exit_code == 0
    assert result.output.startswith("warning: models.0.preprocessing: ")
    path.write_text(json.dumps(of("echo")))
    assert "nothing found" in CliRunner().invoke(app, ["check", str(path)]).output


def test_this_machine_has_cores() -> None:
    assert this_machine().num_cores >= 1
