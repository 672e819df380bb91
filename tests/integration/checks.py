"""What every form of the platform must show, on real inputs."""

from __future__ import annotations

import os
import subprocess
import sys

import httpx
import numpy as np
import tritonclient.http as triton

from models.training.digits import held_out
from tests.integration.platform import ROOT, Platform

IMAGES = ROOT / "tests" / "data" / "images"


def infer(
    platform: Platform, model: str, inputs: dict[str, tuple[np.ndarray, str]], binary: bool = True
) -> dict[str, np.ndarray]:
    """Ask with the Triton client, all outputs."""
    client = triton.InferenceServerClient(platform.url.removeprefix("http://"), network_timeout=120)
    tensors = []
    for name, (array, datatype) in inputs.items():
        tensor = triton.InferInput(name, list(array.shape), datatype)
        tensor.set_data_from_numpy(array, binary_data=binary)
        tensors.append(tensor)
    result = client.infer(model, tensors)
    names = [output["name"] for output in result.get_response()["outputs"]]
    client.close()
    return {name: result.as_numpy(name) for name in names}


def texts(*values: str) -> dict[str, tuple[np.ndarray, str]]:
    return {"text": (np.array([value.encode() for value in values], dtype=object), "BYTES")}


def images(*names: str) -> dict[str, tuple[np.ndarray, str]]:
    return {"image": (np.array([(IMAGES / name).read_bytes() for name in names], dtype=object), "BYTES")}


def check_contract(platform: Platform) -> None:
    """The wire's contract tests, against this platform."""
    environment = {**os.environ, "HEADRACE_TEST_URL": platform.url}
    command = [sys.executable, "-m", "pytest", "-q", "tests/contract", "-p", "no:cacheprovider"]
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stdout[-6000:]


def check_paraphrase_ranks_first(platform: Platform) -> None:
    embedding = infer(
        platform, "minilm", texts("How do I reset my password?", "I forgot my login, what now?", "The cat sat")
    )
    query, paraphrase, unrelated = embedding["embedding"]
    assert query @ paraphrase > query @ unrelated + 0.2


def check_photo_label(platform: Platform) -> None:
    response = httpx.post(
        f"{platform.url}/predict",
        json={"model_id": "efficientnet_lite0", "input_data": _base64("coffee.webp")},
        timeout=60,
    )
    assert response.status_code == 200, response.text
    assert response.json()["prediction"][0]["label"] == "espresso"


def check_digits_accuracy(platform: Platform) -> None:
    pictures, labels = held_out()
    answer = infer(platform, "digits", {"image": (pictures.astype(np.float32), "FP32")})["probabilities"]
    accuracy = float((answer.argmax(axis=1) == labels).mean())
    properties = httpx.get(f"{platform.url}/v2/models/digits").json()["properties"]
    assert abs(accuracy - float(properties["metric_held_out_accuracy"])) < 1e-4


def check_large_payloads(platform: Platform) -> None:
    tensor = np.random.default_rng(1).random((1, 7_500_000), dtype=np.float32)
    assert tensor.nbytes == 30_000_000
    assert np.array_equal(infer(platform, "echo", {"x": (tensor, "FP32")})["y"], tensor)
    names = ["flower.jpg", "coffee.webp"]
    one_by_one = [infer(platform, "efficientnet_lite0", images(name))["probabilities"][0] for name in names]
    many = infer(platform, "efficientnet_lite0", images(*(names * 32)))["probabilities"]
    assert many.shape == (64, 1000)
    for row, probabilities in enumerate(many):
        np.testing.assert_allclose(probabilities, one_by_one[row % 2], atol=1e-5)


def _base64(name: str) -> str:
    import base64

    return base64.b64encode((IMAGES / name).read_bytes()).decode()
