"""The commands against a real ingress on loopback, with models that answer at once."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
import uvicorn
from typer.testing import CliRunner, Result

from autoscaling.policy.explain import DecisionLog
from autoscaling.policy.planner import Decision
from models.errors import ModelUnavailable
from serve_app.command.commands import app
from serve_app.ingress.dataplane import Readiness
from serve_app.profiles import read_profiles
from tests.contract.fake_dataplane import FakeDataplane

NOWHERE = "http://127.0.0.1:9"


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=stdin)


def test_models_as_a_table_with_the_reasons(url: str) -> None:
    result = run("models", "--url", url)
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0].split() == ["MODEL", "VERSIONS", "STATE", "INPUTS", "OUTPUTS"]
    assert any(line.split()[:3] == ["minilm", "1", "ready"] for line in lines)
    assert any(line.split()[:4] == ["broken", "-", "not", "ready"] for line in lines)
    assert lines[-1] == "broken: model.yaml is wrong"


def test_models_as_json(url: str) -> None:
    models = json.loads(run("models", "--url", url, "--json").output)
    assert {"echo", "minilm", "broken"} <= {model["name"] for model in models}


def test_why_a_deployment_has_as_many_replicas_as_it_has(url: str, dataplane: FakeDataplane) -> None:
    decision = Decision(9, "forecast", 140.0, 212.0, 65.0, 0.71, "season", 1.0, 13.3)
    log = DecisionLog()
    log.add(1.7e9, 6, decision)
    log.add(1.7e9 + 60, 9, decision._replace(num_replicas=8, reason="rate"))
    dataplane.scaling = [
        {"deployment": "echo-v1-cpu", "now": decision._asdict(), "changes": log.dump(), "num_errors": 0},
        {"deployment": "minilm-v1-cpu", "now": None, "changes": [], "num_errors": 3},
    ]
    lines = run("explain", "--url", url).output.splitlines()
    assert lines[0] == "echo-v1-cpu"
    assert "140 rows/s, at most 212 expected within 65 s" in lines[1]
    assert lines[2].endswith("  6 -> 9: forecast 212 rows/s in 65 s, confidence 0.71, season")
    failed = "  the policy failed 3 times and keeps the number; Serve's log says why"
    assert lines[-3:] == ["minilm-v1-cpu", failed, "  nothing decided yet"]
    one = json.loads(run("explain", "echo-v1-cpu", "--url", url, "--json", "-n", "1").output)
    assert [entry["deployment"] for entry in one] == ["echo-v1-cpu"]
    assert [change["words"][:6] for change in one[0]["changes"]] == ["9 -> 8"]


def test_a_deployment_that_does_not_scale_is_named_with_those_that_do(url: str, dataplane: FakeDataplane) -> None:
    result = run("explain", "nosuch", "--url", url)
    assert result.exit_code == 1
    assert "no deployment 'nosuch' follows its load" in result.output


def test_profiles_come_from_what_a_running_platform_learned(url: str, dataplane: FakeDataplane, tmp_path: Path) -> None:
    settings = tmp_path / "local.yaml"
    settings.write_text("models: [{name: digits}, {name: echo}]")
    learned = {"now": None, "changes": [], "num_errors": 0}
    dataplane.scaling = [
        learned | {"deployment": "digits-v1-cpu", "curve": [0.01, 0.001, 8], "starts_s": [6.5]},
        learned | {"deployment": "echo-v1-cpu", "curve": None, "starts_s": []},
    ]
    result = run("profile", "--from-running", url, "--settings", str(settings))
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(tmp_path / "local.profiles.yaml")
    assert result.stderr.splitlines()[0].startswith("digits-v1-cpu: a batch of n rows takes 10 + 1 n ms, ")
    found = read_profiles(tmp_path / "local.profiles.yaml")
    assert set(found) == {"digits"}
    assert found["digits"]["1"]["cpu"].startup_s == 6.5

    alone = run("profile", "echo", "--from-running", url, "--settings", str(settings))
    assert alone.exit_code == 0
    assert run("profile", "--settings", str(settings)).stderr == (
        "name the model to measure; only --from-running takes all of them\n"
    )


def test_texts_make_a_batch_and_the_answer_is_readable(url: str, dataplane: FakeDataplane) -> None:
    result = run("infer", "minilm", "--text", "four", "--text", "a weir", "--url", url)
    assert result.exit_code == 0, result.output
    assert dataplane.requests[0].num_rows == 2
    lines = result.output.splitlines()
    assert lines[0] == "four"
    assert lines[1].strip() == "4.0000, 4.0000, 4.0000, 4.0000"
    assert lines[2] == "a weir"
    assert lines[-1].startswith("minilm answered in ")


def test_images_make_a_batch_and_classes_have_bars(url: str, dataplane: FakeDataplane, tmp_path: Path) -> None:
    paths = []
    for name, size in (("one.jpg", 0), ("two.jpg", 9)):
        paths.append(tmp_path / name)
        paths[-1].write_bytes(b"\xff\xd8" + b"x" * size)
    result = run("infer", "files", *(part for path in paths for part in ("--image", str(path))), "--url", url)
    assert result.exit_code == 0, result.output
    assert [len(data) for data in dataplane.requests[0].inputs["image_file"]] == [2, 11]
    assert "half    0.5000  ████████████" in result.output
    assert str(paths[1])[:50] in result.output


def test_images_as_exact_json_travel_in_binary(url: str, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(bytes(range(256)))
    result = run("infer", "files", "--image", str(path), "--image", str(path), "--url", url, "--output", "json")
    assert json.loads(result.output)["outputs"] == [
        {"name": "probabilities", "shape": [2, 3], "datatype": "FP32", "data": [256.0, 1.0, 0.5] * 2}
    ]


@pytest.mark.parametrize("form", ["argument", "file", "stdin"])
@pytest.mark.parametrize(("values", "shape"), [("[1, 2.5]", [1, 2]), ("[[1], [2.5]]", [2, 1]), ('{"x": [1]}', [1, 1])])
def test_values_in_json(url: str, tmp_path: Path, form: str, values: str, shape: list[int]) -> None:
    path = tmp_path / "values.json"
    path.write_text(values)
    given = {"argument": values, "file": f"@{path}", "stdin": "-"}[form]
    result = run("infer", "echo", "--json", given, "--url", url, "-o", "json", stdin=values)
    assert result.exit_code == 0, result.output
    document = json.loads(result.output)
    assert document["model_version"] == "1"
    assert document["outputs"][0]["shape"] == shape


def test_several_inputs_by_name(url: str) -> None:
    values = json.dumps({"a": [1, 2, 3, 4], "b": [1, 1, 1, 1]})
    result = run("infer", "add_sub", "--json", values, "--url", url)
    assert "  sum: 2, 3, 4, 5" in result.output
    assert "  difference: 0, 1, 2, 3" in result.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nosuch", "--text", "x"), "model 'nosuch' is not served"),
        (("echo", "--version", "9", "--json", "[1]"), "no version or label '9'"),
        (("echo", "--text", "x"), "--text does not fit model 'echo'"),
        (("minilm", "--image", "README.md"), "--image does not fit model 'minilm'"),
        (("minilm",), "give it with --text"),
        (("files",), "give it with --image"),
        (("echo",), "give it with --json"),
        (("echo", "--json", "[1"), "--json is not JSON"),
        (("echo", "--json", "@/no/such/file"), "/no/such/file: No such file"),
        (("files", "--image", "/no/such/file"), "/no/such/file: No such file"),
        (("echo", "--json", '{"z": [1]}'), "has no input 'z'"),
        (("add_sub", "--json", "[1]"), "a value for each input"),
        (("echo", "--json", '["x"]'), "x"),
        (("fails_overloaded", "--json", "[1]"), "retry after"),
    ],
)
@pytest.mark.parametrize("output", ["text", "json"])
def test_what_is_wrong_is_said_once_with_exit_code_1(
    url: str, arguments: tuple[str, ...], told: str, output: str
) -> None:
    result = run("infer", *arguments, "--url", url, "--output", output)
    assert result.exit_code == 1
    assert told in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("arguments", [("models",), ("infer", "echo", "--json", "[1]")])
def test_a_server_that_is_not_there(arguments: tuple[str, ...]) -> None:
    result = run(*arguments, "--url", NOWHERE)
    assert result.exit_code == 1
    assert result.stderr == (
        f"nothing answers at {NOWHERE}; start it with `headrace serve`, or name its address with --url\n"
    )


def test_another_server_is_no_platform() -> None:
    async def other(scope: dict[str, object], receive: object, send: object) -> None:
        assert callable(send)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b'{"hello": 1}'})

    server = uvicorn.Server(uvicorn.Config(other, host="127.0.0.1", port=0, lifespan="off", log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    result = run("models", "--url", f"127.0.0.1:{port}")
    server.should_exit = True
    thread.join(10)
    assert result.exit_code == 1
    assert "is not Headrace" in result.stderr


def test_a_model_that_is_not_ready(url: str, dataplane: FakeDataplane) -> None:
    dataplane.ready = Readiness(False, "loading the weights")
    assert "minilm: loading the weights" in run("models", "--url", url).output
    broken = run("infer", "broken", "--text", "x", "--url", url)
    assert str(ModelUnavailable("broken", "1", "model.yaml is wrong")) in broken.stderr
