"""`headrace optimize` as people and scripts use it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from serve_app.command.commands import app
from serve_app.command.optimization import requirements_of
from serve_app.scaling import Autoscaling
from serve_app.settings import load_settings

EXAMPLES = Path(__file__).parents[4] / "docs" / "examples"
FORECAST, PRICES = EXAMPLES / "forecast.csv", EXAMPLES / "prices.yaml"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["optimize", *map(str, arguments)])


def test_the_example_prints_a_table_nodes_reasons_and_settings_that_the_check_accepts(tmp_path: Path) -> None:
    document, drawn = tmp_path / "out.json", tmp_path / "out.png"
    result = run("--forecast", FORECAST, "--prices", PRICES, "--json", document, "--plot", drawn)
    assert result.exit_code == 0, result.output
    assert "workload" in result.stdout
    assert "█" in result.stdout
    assert "minilm: cpu-" in result.stdout
    path = tmp_path / "settings.yaml"
    path.write_text(result.stdout[result.stdout.index("# Written by") :])
    checked = CliRunner().invoke(app, ["check", str(path), "--json"])
    assert "error" not in {finding["severity"] for finding in json.loads(checked.stdout)}
    found = json.loads(document.read_text())
    scaling = load_settings(path).models[0].pools[0].autoscaling
    assert scaling == Autoscaling(**found["settings"]["models"][0]["pools"][0]["autoscaling"])
    assert found["workloads"]["minilm"]["why"]
    assert drawn.read_bytes().startswith(b"\x89PNG")


def test_models_of_the_settings_are_taken_as_they_were_measured_and_keep_what_else_is_set(tmp_path: Path) -> None:
    settings, out = tmp_path / "platform.yaml", tmp_path / "new.yaml"
    pool = {"name": "cpu", "num_cpus": 1, "precision": "fp32", "autoscaling": {"slo_s": 0.4, "keep_alive_s": 60}}
    models = [{"name": "minilm", "pools": [pool], "limits": {"max_queued_requests": 99}}, {"name": "echo"}]
    settings.write_text(yaml.safe_dump({"models": models, "router": {"num_cpus": 0.5}}))
    measured = {"call_s": 0.004, "row_s": 0.011, "max_rows": 16, "fit_error_ratio": 0.1, "startup_s": 7.0}
    profile = {**measured, "memory_bytes": 700_000_000, "measured": "by hand"}
    (tmp_path / "platform.profiles.yaml").write_text(yaml.safe_dump({"minilm": {"1": {"cpu": profile}}}))
    prices = tmp_path / "prices.yaml"
    prices.write_text("groups: [{name: cpu-4, num_cpus: 4, memory_bytes: 16_000_000_000, price_per_hour: 0.2}]\n")
    forecast = tmp_path / "forecast.csv"
    forecast.write_text("second,workload,rate_per_s\n0,minilm,200\n")
    options = ["--forecast", forecast, "--prices", prices, "--settings", settings, "--out", out]
    result = run(*options)
    assert result.exit_code == 0, result.output
    found = load_settings(out)
    assert [model.name for model in found.models] == ["minilm", "echo"]
    (new,) = found.models[0].pools
    assert (new.precision, found.router.num_cpus, found.models[0].limits.max_queued_requests) == ("fp32", 0.5, 99)
    assert new.autoscaling is not None
    assert (new.autoscaling.slo_s, new.autoscaling.keep_alive_s) == (0.4, 60.0)
    assert new.autoscaling.min_replicas >= 3


def test_decoding_is_counted_where_the_model_s_own_replicas_do_it(tmp_path: Path) -> None:
    """Images are decoded apart from a model on a GPU; beside a model on CPUs by its replicas, as all tokenisers."""
    scaling = {"slo_s": 0.5}
    cpu = {"name": "cpu", "num_cpus": 1, "autoscaling": scaling}
    gpu = {"name": "gpu", "device": "gpu", "num_gpus": 1, "autoscaling": scaling}
    models = [{"name": name, "pools": [cpu, gpu]} for name in ("efficientnet_lite0", "minilm")]
    plain = {"call_s": 0.004, "row_s": 0.01, "max_rows": 16, "startup_s": 7.0, "memory_bytes": 7, "measured": "by hand"}
    measured = {"1": {name: {**plain, "preprocess_row_s": 0.003} for name in ("cpu", "gpu")}}
    path = tmp_path / "platform.yaml"
    path.write_text(yaml.safe_dump({"models": models}))
    (tmp_path / "platform.profiles.yaml").write_text(yaml.safe_dump({model["name"]: measured for model in models}))
    found = dict(requirements_of(load_settings(path), path))
    rows = {name: {pool: one.row_s for pool, one in found[name].profiles.items()} for name in found}
    assert rows == {
        "efficientnet_lite0": {"cpu": pytest.approx(0.013), "gpu": 0.01},
        "minilm": {"cpu": pytest.approx(0.013), "gpu": pytest.approx(0.013)},
    }


def test_the_document_is_json_where_serverless_costs_nothing(tmp_path: Path) -> None:
    prices, forecast, out = tmp_path / "prices.yaml", tmp_path / "forecast.csv", tmp_path / "out.json"
    changed = yaml.safe_load(PRICES.read_text()) | {"serverless": {}}
    prices.write_text(yaml.safe_dump(changed))
    forecast.write_text("second,workload,rate_per_s\n0,digits,0.01\n")
    result = run("--forecast", forecast, "--prices", prices, "--json", out)
    assert result.exit_code == 0, result.output
    assert "Infinity" not in out.read_text()


@pytest.mark.parametrize(
    ("forecast", "said"),
    [
        ("second,workload,rate_per_s\n0,minilm,x\n", "line 2: rate_per_s must be a number from 0, got 'x'"),
        ("second,workload,rate_per_s\n0,other,1\n", "no requirement for other; there are: minilm, efficientnet_lite0,"),
        ("second,workload,rate_per_s\n0,minilm,1e9\n", "nothing can run minilm in time: cpu-4: 1000 replicas"),
    ],
)
def test_what_is_wrong_is_said_without_a_trace(tmp_path: Path, forecast: str, said: str) -> None:
    path = tmp_path / "forecast.csv"
    path.write_text(forecast)
    result = run("--forecast", path, "--prices", PRICES)
    assert result.exit_code == 1
    assert said in result.stderr
    assert "Traceback" not in result.output
