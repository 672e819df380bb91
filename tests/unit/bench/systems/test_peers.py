"""Each peer is started from its own environment with its processes and threads, and asked in the form that it reads."""

from __future__ import annotations

import base64
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import orjson
import pytest

from bench.peers.wire import content_of_body
from bench.systems.peers import Peer, peer_systems
from bench.systems.system import ROOT
from bench.workload import WORKLOADS, Inputs, load_inputs
from serve_app.reservation import actor_options
from serve_app.settings import Pool

PEERS = {peer.name: peer for peer in peer_systems() if isinstance(peer, Peer)}
CASES = [(peer, workload) for peer in PEERS.values() for workload in WORKLOADS if peer.supports(workload)]
BASE64_KINDS = {"mlserver", "bentoml"}


@cache
def first_inputs(workload: str) -> Inputs:
    return load_inputs(workload)[0]


def name_of(case: object) -> object:
    return getattr(case, "name", case)


def test_all_are_there_once() -> None:
    names = [system.name for system in peer_systems()]
    plain = ["litserve", "mlserver", "mlserver-inprocess", "bentoml", "mosec", "fastapi", "fastapi-orjson"]
    assert names == [*plain, *(f"{kind}-packed" for kind in ("litserve", "mlserver", "bentoml", "mosec", "fastapi"))]


@pytest.mark.parametrize(
    ("name", "workloads"),
    [
        ("litserve", {"echo", "minilm", "jpeg", "tensor"}),
        ("fastapi", {"echo", "minilm", "jpeg", "tensor"}),
        ("mlserver-inprocess", {"echo"}),
        ("fastapi-orjson", {"echo", "minilm"}),
        ("mosec-packed", {"minilm"}),
    ],
)
def test_it_supports_what_it_serves(name: str, workloads: set[str]) -> None:
    assert {workload for workload in WORKLOADS if PEERS[name].supports(workload)} == workloads


@pytest.mark.parametrize(("peer", "workload"), CASES, ids=name_of)
def test_a_request_holds_the_inputs_in_the_form_that_the_peer_reads(peer: Peer, workload: str) -> None:
    inputs = first_inputs(workload)
    call = peer.call(workload, inputs)
    (array,) = inputs.values()
    if workload == "jpeg" and peer.kind in BASE64_KINDS:
        (tensor,) = orjson.loads(call.body)["inputs"]
        assert (tensor["datatype"], tensor["shape"]) == ("BYTES", [1])
        assert [base64.b64decode(file) for file in tensor["data"]] == [array[0]]
        return
    read = content_of_body(workload, call.body)
    if workload == "minilm":
        assert read.encode() == array[0]
    else:
        assert np.array_equal(read, array[0] if workload == "jpeg" else array)


@pytest.mark.parametrize(
    ("name", "workload", "path", "media_type"),
    [
        ("litserve", "echo", "/infer", "application/json"),
        ("fastapi", "jpeg", "/infer", "image/jpeg"),
        ("mosec", "tensor", "/infer", "application/octet-stream"),
        ("bentoml", "jpeg", "/infer", "application/json"),
        ("bentoml", "tensor", "/infer", "application/octet-stream"),
        ("mlserver", "echo", "/v2/models/echo/infer", "application/json"),
        ("mlserver-inprocess", "echo", "/v2/models/echo/infer", "application/json"),
        ("mlserver", "jpeg", "/v2/models/efficientnet_lite0/infer", "application/json"),
        ("mlserver", "tensor", "/raw", "application/octet-stream"),
    ],
)
def test_a_request_goes_to_the_peers_path(name: str, workload: str, path: str, media_type: str) -> None:
    call = PEERS[name].call(workload, first_inputs(workload))
    assert (call.path, dict(call.headers)) == (path, {"Content-Type": media_type})


@pytest.mark.parametrize(("peer", "workload"), CASES, ids=name_of)
def test_it_runs_a_script_that_exists_in_its_own_environment(peer: Peer, workload: str, tmp_path: Path) -> None:
    command = list(replace(peer, venvs=tmp_path).launch(workload, 8123).command)
    assert command[:2] == [str(tmp_path / peer.kind / "bin" / "python"), "-m"]
    if peer.kind == "bentoml":
        module, service = command[4].split(":")
        assert command[2:4] == ["bentoml", "serve"]
        assert command[5:] == ["--host", "127.0.0.1", "--port", "8123"]
    else:
        module, service = command[2], None
        assert command[3:] == [workload, "8123"]
    source = ROOT.joinpath(*module.split(".")).with_suffix(".py").read_text()
    assert service is None or f"\nclass {service}:" in source
    assert (ROOT / "bench" / "peers" / "requirements" / f"{peer.kind}.txt").exists()


def test_the_tuned_fastapi_has_a_script_of_its_own() -> None:
    assert PEERS["fastapi-orjson"].launch("echo", 1).command[2] == "bench.peers.fastapi_orjson_server"


@pytest.mark.parametrize(
    ("name", "workload", "num_workers"),
    [
        ("litserve", "minilm", "2"),
        ("mosec", "jpeg", "2"),
        ("bentoml", "echo", "1"),
        ("mlserver", "tensor", "1"),
        ("mlserver-inprocess", "echo", "0"),
    ],
)
def test_compute_bound_models_have_a_process_a_core(name: str, workload: str, num_workers: str) -> None:
    environment = PEERS[name].launch(workload, 1).environment
    assert (environment["BENCH_WORKERS"], environment["BENCH_THREADS"]) == (num_workers, "1")


def test_the_processes_and_threads_can_be_chosen() -> None:
    environment = replace(PEERS["mosec"], num_workers=3, num_threads=4).launch("jpeg", 1).environment
    assert (environment["BENCH_WORKERS"], environment["BENCH_THREADS"]) == ("3", "4")


def test_the_packed_variants_differ_in_the_model_alone() -> None:
    for name in ("litserve", "mlserver", "bentoml", "mosec", "fastapi"):
        plain, packed = PEERS[name].launch("minilm", 1), PEERS[f"{name}-packed"].launch("minilm", 1)
        assert list(plain.command) == list(packed.command)
        changed = {key: value for key, value in packed.environment.items() if plain.environment[key] != value}
        assert changed == {"BENCH_PADDED": "0"}


def test_mlserver_is_asked_whether_the_model_is_ready() -> None:
    assert PEERS["mlserver"].launch("jpeg", 1).ready_path == "/v2/models/efficientnet_lite0/ready"
    assert PEERS["mosec"].launch("jpeg", 1).ready_path is None


def test_it_finds_the_checkout() -> None:
    environment = PEERS["mosec"].launch("echo", 1).environment
    assert environment["PYTHONPATH"] == str(ROOT)


@pytest.mark.parametrize("peer", PEERS.values(), ids=PEERS)
def test_it_runs_in_the_environment_of_a_replica_of_the_platform(peer: Peer) -> None:
    """What makes Headrace's model faster makes theirs faster too, or the comparison is of settings."""
    replica = actor_options(Pool())["runtime_env"]["env_vars"]
    (workload, *_) = peer.workloads
    assert replica.items() <= dict(peer.launch(workload, 1).environment).items()


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    peer = replace(PEERS["mosec"], venvs=tmp_path)
    assert peer.missing() == f"{tmp_path / 'mosec'} does not exist: make bench-peers"
    log = tmp_path / "mosec.log"
    log.write_text("Collecting mosec\nERROR: No matching distribution found for mosec\n")
    assert peer.missing() == (f"its installation failed, see {log}: ERROR: No matching distribution found for mosec")
    log.write_text("")
    assert peer.missing() == f"its installation failed, see {log}"
    (tmp_path / "mosec").mkdir()
    (tmp_path / "mosec" / ".stamp").touch()
    assert peer.missing() is None
