"""The platform behind HAProxy with direct ingress and gRPC between deployments."""

from __future__ import annotations

import asyncio
import os
import pydoc_data.topics
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
import yaml

from tests.integration import checks
from tests.integration.checks import images, infer, texts
from tests.integration.platform import ROOT, Platform, running_platform

PORT = 8123


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with running_platform("fast", tmp_path_factory.mktemp("fast"), PORT, ("damaged", "unreadable")) as platform:
        yield platform


def test_it_was_live_while_it_loaded_and_started_only_then(platform: Platform) -> None:
    started = platform.probes.index(("/startup", 200))
    for probe in (("/health", 200), ("/ready", 503), ("/startup", 503)):
        assert platform.probes.index(probe) < started


def test_broken_models_take_no_traffic_from_the_others(platform: Platform) -> None:
    assert httpx.get(f"{platform.url}/ready").status_code == 200
    strict = httpx.get(f"{platform.url}/v2/health/ready")
    assert strict.status_code == 503, "the protocol's readiness means every model"
    assert "damaged" in strict.json()["error"]


def test_a_model_that_cannot_load_says_why_and_the_others_serve(platform: Platform) -> None:
    with httpx.Client(base_url=platform.url) as client:
        damaged = client.get("/v2/models/damaged/ready")
        assert damaged.status_code == 503
        assert "model.safetensors" in damaged.json()["error"]
        assert "sha256" in damaged.json()["error"]
        request = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}
        refused = client.post("/v2/models/damaged/infer", json=request)
        assert refused.status_code == 503
        assert "sha256" in refused.json()["error"]
        unreadable = client.get("/v2/models/unreadable/ready")
        assert unreadable.status_code == 503
        assert "backends: unknown key" in unreadable.json()["error"]
        assert client.get("/v2/models/echo/ready").status_code == 200


def test_the_wire_s_contract(platform: Platform) -> None:
    checks.check_contract(platform)


def test_paraphrase_ranks_first(platform: Platform) -> None:
    checks.check_paraphrase_ranks_first(platform)


def test_photo_label(platform: Platform) -> None:
    checks.check_photo_label(platform)


def test_digits_accuracy(platform: Platform) -> None:
    checks.check_digits_accuracy(platform)


def test_large_payloads(platform: Platform) -> None:
    checks.check_large_payloads(platform)


def test_versions_and_labels(platform: Platform) -> None:
    request = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}
    with httpx.Client(base_url=platform.url) as client:
        for path, factor in (("", 2), ("/versions/1", 2), ("/versions/2", 4), ("/versions/canary", 4)):
            answer = client.post(f"/v2/models/fragile{path}/infer", json=request).json()
            assert answer["outputs"][0]["data"] == [factor, 2 * factor], path
        missing = client.post("/v2/models/fragile/versions/3/infer", json=request)
        assert missing.status_code == 404
        assert "canary" in missing.json()["error"]


def mixed_texts(number: int) -> list[str]:
    """Real English of very mixed length."""
    words = re.findall(r"\S+", " ".join(pydoc_data.topics.topics.values()))
    lengths = np.random.default_rng(3).choice([2, 5, 9, 20, 60, 150], number)
    starts = np.random.default_rng(4).integers(0, len(words) - 200, number)
    return [" ".join(words[start : start + length]) for start, length in zip(starts, lengths, strict=True)]


def test_64_concurrent_clients_get_the_answers_that_they_get_alone(platform: Platform) -> None:
    values = mixed_texts(192)
    alone = [infer(platform, "minilm", texts(value))["embedding"][0] for value in values]

    async def together() -> list[list[float]]:
        async with httpx.AsyncClient(base_url=platform.url, timeout=120) as client:
            todo = list(enumerate(values))
            answers: list[list[float]] = [[]] * len(values)

            async def caller() -> None:
                while todo:
                    index, value = todo.pop()
                    tensor = {"name": "text", "shape": [1], "datatype": "BYTES", "data": [value]}
                    response = await client.post("/v2/models/minilm/infer", json={"inputs": [tensor]})
                    answers[index] = response.json()["outputs"][0]["data"]

            await asyncio.gather(*(caller() for _ in range(64)))
            return answers

    np.testing.assert_allclose(np.array(asyncio.run(together())), np.stack(alone), atol=1e-5)


def test_a_bad_row_fails_alone(platform: Platform) -> None:
    async def scenario() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=platform.url, timeout=60) as client:
            bodies = [
                {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [value, value]}]}
                for value in range(-1, 40)
            ]
            return await asyncio.gather(*(client.post("/v2/models/fragile/infer", json=body) for body in bodies))

    responses = asyncio.run(scenario())
    assert responses[0].status_code == 500
    assert "a negative number came in" in responses[0].json()["error"]
    for value, response in enumerate(responses[1:]):
        assert response.status_code == 200, response.text
        assert response.json()["outputs"][0]["data"] == [2 * value, 2 * value]


def test_a_bad_image_fails_alone(platform: Platform) -> None:
    good = images("flower.jpg")
    bad = {"image": (np.array([b"\xff\xd8\xff not a jpeg"], dtype=object), "BYTES")}
    with pytest.raises(Exception, match=r"image.*row 0"):
        infer(platform, "efficientnet_lite0", bad)
    assert infer(platform, "efficientnet_lite0", good)["probabilities"].argmax() == 985


def test_metrics_count_every_request_once(platform: Platform) -> None:
    def total() -> float:
        text = httpx.get(f"{platform.url}/metrics").text
        pattern = r'^headrace_requests_total\{model="echo",status="200",version="1"\} (\S+)$'
        found = re.search(pattern, text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    before = total()
    for _ in range(7):
        infer(platform, "echo", {"x": (np.ones((1, 2), np.float32), "FP32")})
    assert total() == before + 7


CLIENT_SCRIPT = """
import asyncio, pathlib, sys
import numpy as np
from serve_app.client import AsyncHeadraceClient, HeadraceClient
from models.errors import HeadraceError, InvalidTensor

client = HeadraceClient()
embedding = client.infer("minilm", ["hello", "world"]).outputs["embedding"]
np.save(sys.argv[1], embedding)
large = np.random.default_rng(1).random((1, 3_000_000), dtype=np.float32)
assert np.array_equal(client.infer("echo", {"x": large}).outputs["y"], large)
picture = client.infer("efficientnet_lite0", pathlib.Path(sys.argv[2]))
assert picture.outputs["probabilities"].argmax() == 985, picture.outputs["probabilities"].argmax()
try:
    client.infer("echo", {"x": np.zeros((1, 2, 3), np.float32)})
except InvalidTensor as error:
    assert "shape" in str(error), error
else:
    raise AssertionError("a wrong shape was taken")

async def main():
    result = await AsyncHeadraceClient().infer("minilm", "hello")
    np.testing.assert_allclose(result.outputs["embedding"][0], embedding[0], atol=1e-5)

asyncio.run(main())
print("client ok")
"""


def test_a_plain_script_s_client_gets_the_same_answers_as_http(platform: Platform, tmp_path: object) -> None:
    saved = f"{tmp_path}/embedding.npy"
    photo = str(ROOT / "tests" / "data" / "images" / "flower.jpg")
    command = [sys.executable, "-c", CLIENT_SCRIPT, saved, photo]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr[-4000:]
    over_http = infer(platform, "minilm", texts("hello", "world"))["embedding"]
    np.testing.assert_allclose(np.load(saved), over_http, atol=1e-6)


def replica_processes(model: str) -> list[psutil.Process]:
    wanted = f"ray::ServeReplica:headrace:{model}"
    return [
        process for process in psutil.process_iter(["cmdline"]) if wanted in " ".join(process.info["cmdline"] or [])
    ]


def test_a_killed_replica_s_requests_are_served_or_told(platform: Platform) -> None:
    async def scenario() -> Counter[int]:
        answers: Counter[int] = Counter()
        async with httpx.AsyncClient(base_url=platform.url, timeout=60) as client:

            async def one() -> None:
                tensor = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a few words to embed"]}
                response = await client.post("/v2/models/minilm/infer", json={"inputs": [tensor]})
                answers[response.status_code] += 1
                assert response.status_code in (200, 503), response.text
                assert response.status_code == 200 or "send it again" in response.json()["error"]

            calls = []
            for number in range(120):
                calls.append(asyncio.create_task(one()))
                if number == 40:
                    for process in replica_processes("minilm"):
                        os.kill(process.pid, signal.SIGKILL)
                await asyncio.sleep(0.03)
            await asyncio.wait_for(asyncio.gather(*calls), 90)
        return answers

    answers = asyncio.run(scenario())
    assert answers.total() == 120
    assert answers[200] >= 100, answers
    assert _becomes_ready(platform, "minilm")


def test_replicas_that_are_replaced_lose_no_request(platform: Platform, tmp_path: Path) -> None:
    """Those of the model and the router's: what they took is answered, and nothing goes to them any more."""
    config = yaml.safe_load((platform.log.parent / "config.yaml").read_text())
    (echo,) = [model for model in config["applications"][0]["args"]["models"] if model["name"] == "echo"]
    echo["pools"][0]["num_cpus"] = 0.15
    changed = tmp_path / "changed.yaml"
    changed.write_text(yaml.safe_dump(config))
    before = {process.pid for process in replica_processes("echo")}
    assert before

    async def scenario() -> Counter[int]:
        answers: Counter[int] = Counter()
        done = asyncio.Event()
        tensor = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}

        async def ask(client: httpx.AsyncClient) -> None:
            while not done.is_set():
                response = await client.post("/v2/models/echo/infer", json={"inputs": [tensor]})
                answers[response.status_code] += 1
                assert response.status_code == 200, response.text

        command = [str(Path(sys.executable).with_name("serve")), "deploy", str(changed)]
        environment = {**os.environ, "RAY_AUTH_MODE": "token"}
        async with httpx.AsyncClient(base_url=platform.url, timeout=60) as client, asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(ask(client))
            deploy = await asyncio.create_subprocess_exec(*command, env=environment)
            assert await deploy.wait() == 0
            async with asyncio.timeout(90):
                while before & {process.pid for process in replica_processes("echo")}:  # noqa: ASYNC110
                    await asyncio.sleep(0.5)
            done.set()
        return answers

    answers = asyncio.run(scenario())
    assert answers[200] > 100
    for model in ("echo", "minilm", "efficientnet_lite0", "digits", "fragile"):
        assert _becomes_ready(platform, model), "Serve replaces every deployment of an application whose args change"


def _becomes_ready(platform: Platform, model: str) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if httpx.get(f"{platform.url}/v2/models/{model}/ready").status_code == 200:
            return True
        time.sleep(0.5)
    return False


def test_a_deadline_that_passes_is_answered_in_json(platform: Platform) -> None:
    request = {"inputs": [{"name": "text", "shape": [400], "datatype": "BYTES", "data": ["many words " * 60] * 400}]}
    late = httpx.post(
        f"{platform.url}/v2/models/minilm/infer",
        json=request,
        headers={"x-request-timeout-seconds": "0.5"},
        timeout=30,
    )
    assert late.status_code in (429, 504), late.text
    assert "minilm" in late.json()["error"]
    assert len(infer(platform, "minilm", texts("next"))["embedding"]) == 1
