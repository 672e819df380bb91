"""Plain Ray Serve's two configurations, and its requests in the form that every peer reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from bench.peers.wire import content_of_body
from bench.systems.plain_serve import PlainServe, content_of, plain_serve_systems, serve_default, serve_tuned
from bench.workload import load_inputs


@pytest.mark.parametrize("system", plain_serve_systems(), ids=lambda system: system.name)
@pytest.mark.parametrize("workload", ["echo", "minilm", "jpeg", "tensor"])
def test_a_request_is_read_as_what_it_holds(system: PlainServe, workload: str) -> None:
    assert system.supports(workload)
    inputs = load_inputs(workload)[0]
    read = content_of_body(workload, system.call(workload, inputs).body)
    by_handle = content_of(workload, inputs)
    (array,) = inputs.values()
    if isinstance(read, np.ndarray):
        assert np.array_equal(read, array)
        assert by_handle is array
    else:
        assert read == by_handle
        assert (read.encode() if isinstance(read, str) else read) == array[0]


def test_it_serves_no_mix_of_models() -> None:
    assert not serve_default().supports("mix")


def test_defaults_are_left_alone_and_tuning_is_what_is_documented(tmp_path: Path) -> None:
    plain = replace(serve_default(), folder=tmp_path).launch("minilm", 8123)
    tuned = replace(serve_tuned(), folder=tmp_path).launch("minilm", 8123)
    added = {name: value for name, value in tuned.environment.items() if name not in plain.environment}
    assert added == {"RAY_SERVE_THROUGHPUT_OPTIMIZED": "1", "RAY_SERVE_ENABLE_HA_PROXY": "1"}
    assert (serve_default().handle_client().environment, serve_tuned().handle_client().environment) == ({}, added)
    first, second = (yaml.safe_load(Path(launch.command[-1]).read_text()) for launch in (plain, tuned))
    assert first["http_options"] == second["http_options"] == {"host": "127.0.0.1", "port": 8123}
    assert "logging_config" not in first
    assert second["logging_config"] == {"enable_access_log": False}


@pytest.mark.parametrize(("workload", "num_replicas"), [("echo", 1), ("minilm", 2), ("jpeg", 2), ("tensor", 1)])
def test_compute_bound_models_have_a_replica_a_core(workload: str, num_replicas: int, tmp_path: Path) -> None:
    launch = replace(serve_default(), folder=tmp_path).launch(workload, 8123)
    (application,) = yaml.safe_load(Path(launch.command[-1]).read_text())["applications"]
    assert application["args"]["num_replicas"] == num_replicas
    assert launch.environment["BENCH_THREADS"] == "1"
