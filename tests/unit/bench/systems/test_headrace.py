"""The configs that are written for Headrace are ones it accepts, and each request goes to its model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import orjson
import pytest
import yaml

from bench.systems.headrace import Headrace, headrace, headrace_bf16, headrace_in_router, headrace_many
from bench.workload import WORKLOADS, load_inputs
from serve_app.launch.serve_config import read_serve_config
from serve_app.selection import select_models
from serve_app.settings import Settings

SYSTEMS = [headrace(), headrace(num_routers=4), headrace_in_router(), headrace_bf16(), headrace_many(8)]
CASES = [(system, workload) for system in SYSTEMS for workload in WORKLOADS if system.supports(workload)]


def settings_of(system: Headrace, workload: str, folder: Path) -> Settings:
    launch = replace(system, folder=folder).launch(workload, 8123)
    config = read_serve_config(Path(launch.command[-1]))
    assert (config.host, config.port) == ("127.0.0.1", 8123)
    return config.settings


@pytest.mark.parametrize(("system", "workload"), CASES, ids=lambda case: getattr(case, "name", case))
def test_the_config_is_accepted_and_has_the_workloads_models(system: Headrace, workload: str, tmp_path: Path) -> None:
    settings = settings_of(system, workload, tmp_path)
    selected = select_models(settings)
    assert all(model.sources and not model.broken for model in selected)
    asked = {part for part, _ in WORKLOADS[workload].shares} or {workload}
    assert {WORKLOADS[part].model for part in asked} <= {model.name for model in selected}
    assert len(selected) == max(system.num_models, len({WORKLOADS[part].model for part in asked}))


def test_the_parameters_reach_the_settings(tmp_path: Path) -> None:
    assert settings_of(headrace(num_routers=3), "echo", tmp_path).router.num_replicas == 3
    (minilm,) = settings_of(headrace(num_replicas=2, num_threads=1), "minilm", tmp_path).models
    assert (minilm.pools[0].num_replicas, minilm.pools[0].threads) == (2, 1)
    assert settings_of(headrace_bf16(), "minilm", tmp_path).models[0].pools[0].precision == "bf16"
    assert settings_of(headrace_in_router(), "echo", tmp_path).models[0].placement == "router"


def test_copies_of_other_runs_are_not_loaded(tmp_path: Path) -> None:
    settings_of(headrace_many(8), "echo", tmp_path)
    assert [model.name for model in settings_of(headrace_many(2), "echo", tmp_path).models] == ["echo", "echo-2"]
    assert yaml.safe_load((tmp_path / "repository" / "echo-2" / "1" / "model.yaml").read_text())["name"] == "echo-2"


@pytest.mark.parametrize("workload", ["echo", "minilm"])
def test_small_rows_are_asked_in_json(workload: str) -> None:
    call = headrace().call(workload, load_inputs(workload)[0])
    assert call.path == f"/v2/models/{workload}/infer"
    assert orjson.loads(call.body)["inputs"][0]["shape"][0] == 1


def test_each_request_of_the_mix_goes_to_its_model() -> None:
    system = headrace()
    for inputs in load_inputs("mix"):
        (name,) = inputs
        call = system.call("mix", inputs)
        assert call.path == f"/v2/models/{ {'x': 'echo', 'text': 'minilm', 'image': 'efficientnet_lite0'}[name] }/infer"
        assert (b"binary_data_size" in call.body[:200]) == (len(call.body) > 10_000)
