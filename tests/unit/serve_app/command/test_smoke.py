"""`headrace smoke` against a real ingress on loopback."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner, Result

from models.tensor import bytes_array
from serve_app.command.commands import app
from serve_app.command.expectation import Expected, expected_by_settings
from serve_app.command.smoke import Outcome, report, try_models, wait_until_ready
from serve_app.ingress.dataplane import Readiness
from serve_app.settings import load_settings, parse_settings
from serve_app.wire_client import WireClient
from tests.contract.fake_dataplane import FAILURES, FakeDataplane, FakeModel, served, spec, standard_models

CONFIG = Path(__file__).parents[4] / "deploy" / "local.yaml"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["smoke", *arguments])


@pytest.fixture
def catalog(dataplane: FakeDataplane) -> FakeDataplane:
    """The platform of `deploy/local.yaml`, as its manifests declare it."""
    dataplane.models = {}
    for one in expected_by_settings(load_settings(CONFIG)):
        model = served(one.model, list(one.inputs), list(one.outputs))
        shapes = {output.name: [1 if size == -1 else size for size in output.shape[1:]] for output in one.outputs}
        dataplane.models[one.model] = FakeModel(
            model,
            lambda inputs, shapes=shapes: {
                name: np.ones((len(next(iter(inputs.values()))), *shape), np.float32) for name, shape in shapes.items()
            },
        )
    dataplane.model_names = lambda: tuple(dataplane.models)  # type: ignore[method-assign]
    return dataplane


def test_the_platform_of_the_settings_passes(url: str, catalog: FakeDataplane) -> None:
    result = run(str(CONFIG), "--url", url)
    assert result.exit_code == 0, result.output
    assert re.sub(r"\d+\.\d ms", "# ms", result.output).splitlines() == [
        "platform              ok      ready",
        "minilm/1              ok      3 calls answered, # ms",
        "efficientnet_lite0/1  ok      1 call answered, # ms",
        "digits/1              ok      1 call answered, # ms",
        "echo/1                ok      1 call answered, # ms",
        "5 passed, 0 failed",
    ]
    sent = catalog.requests[3].inputs["image"]
    assert sent[0].startswith(b"\xff\xd8"), "the manifest's own JPEG"


def test_a_model_of_the_settings_that_is_not_served_fails(url: str, catalog: FakeDataplane) -> None:
    del catalog.models["digits"]
    result = run(str(CONFIG), "--url", url, "--json")
    assert result.exit_code == 1
    failed = [outcome for outcome in json.loads(result.output) if not outcome["passed"]]
    assert [outcome["name"] for outcome in failed] == ["digits/1"]
    assert "model 'digits' is not served" in failed[0]["said"]


def test_another_version_of_a_model_than_the_settings_mean_is_noticed(url: str, catalog: FakeDataplane) -> None:
    other = served("digits", [spec("image", "FP32", -1, 64)], [spec("probabilities", "FP32", -1, 11)])
    catalog.models["digits"] = FakeModel(other, lambda inputs: {})
    result = run(str(CONFIG), "--url", url)
    assert result.exit_code == 1
    assert "its outputs are [{'name': 'probabilities', 'datatype': 'FP32', 'shape': [-1, 11]}]" in result.output


def test_without_settings_each_model_that_is_there_is_tried_with_made_up_rows(
    url: str, dataplane: FakeDataplane
) -> None:
    result = run("--url", url)
    assert result.exit_code == 1
    passed = {line.split()[0]: line.split()[1] == "ok" for line in result.output.splitlines()[:-1]}
    wrong = {"broken", "nan", "lies", *FAILURES}
    assert passed == {"platform": True, **{name: name not in wrong for name in (*standard_models(), "broken")}}
    by_name = {line.split()[0]: line for line in result.output.splitlines()}
    assert "tensor 'y': holds values that are no finite number" in by_name["nan"]
    assert "model.yaml is wrong" in by_name["broken"]
    (picture,) = next(request.inputs["image_file"] for request in dataplane.requests if "image_file" in request.inputs)
    assert picture.startswith(b"\x89PNG")


def test_a_platform_that_is_not_ready_is_not_asked_further(url: str, dataplane: FakeDataplane) -> None:
    dataplane.ready = Readiness(False, "loading the weights")
    result = run("--url", url)
    assert result.exit_code == 1
    assert result.output == (
        "platform  FAILED  GET /v2/health/ready is not answered 200 within 0 s\n0 passed, 1 failed\n"
    )
    assert dataplane.requests == []


def test_it_waits_for_readiness_as_long_as_it_may() -> None:
    class Late(WireClient):
        looks = 0

        def answers_ok(self, path: str) -> bool:
            self.looks += 1
            return self.looks > 3

    time_s = [0.0]

    def rest(duration_s: float) -> None:
        time_s[0] += duration_s

    assert wait_until_ready(Late("x"), 5.0, lambda: time_s[0], rest) == Outcome("platform", True, "ready")
    assert time_s == [3.0]
    assert not wait_until_ready(Late("x"), 2.0, lambda: time_s[0], rest).passed
    assert time_s == [5.0]


def test_rows_that_are_lost_are_noticed(url: str, dataplane: FakeDataplane) -> None:
    model = served("short", [spec("text", "BYTES", -1)], [spec("y", "FP32", -1, 2)])
    dataplane.models["short"] = FakeModel(model, lambda inputs: {"y": np.ones((1, 2), np.float32)})
    sample = {"text": bytes_array([b"a", b"b"])}
    expected = Expected("short", "1", tuple(model.inputs.values()), tuple(model.outputs.values()), (sample,))
    (outcome,) = try_models(WireClient(url), [expected])
    assert (outcome.name, outcome.passed) == ("short/1", False)
    assert "rows" in outcome.said


def test_settings_that_do_not_load_end_it_before_anything_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(yaml.safe_dump({"models": [{"name": "nosuch"}]}))
    result = run(str(path), "--url", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert "nosuch" in result.stderr


def test_a_manifest_that_is_broken_is_a_failure_of_its_model(tmp_path: Path) -> None:
    place = tmp_path / "bad" / "1"
    place.mkdir(parents=True)
    (place / "model.yaml").write_text("name: bad\n")
    settings = parse_settings({"repositories": [str(tmp_path)], "models": [{"name": "bad"}]}, "test")
    (outcome,) = try_models(WireClient("http://127.0.0.1:9"), expected_by_settings(settings))
    assert not outcome.passed
    assert "model.yaml" in report([outcome])
