"""Which versions the settings ask for: each is described, or broken with its reason."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.versions import latest, sorted_versions
from serve_app.selection import Selected, describe_served, preprocessing_placement, select_models
from serve_app.settings import Model, Settings, SettingsError, parse_settings
from tests.unit.serve_app.building import break_manifest, write_front, write_version


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


def parse(root: Path, *models: dict[str, Any], roots: tuple[Path, ...] = ()) -> Settings:
    repositories = [str(root), *map(str, roots)]
    return parse_settings(
        {"repositories": repositories, "cache_dir": str(root.parent / "cache"), "models": models}, "t"
    )


def select(root: Path, *models: dict[str, Any], roots: tuple[Path, ...] = ()) -> list[Selected]:
    return select_models(parse(root, *models, roots=roots))


def refusal(root: Path, *models: dict[str, Any]) -> str:
    with pytest.raises(SettingsError) as caught:
        select(root, *models)
    return str(caught.value)


def test_without_models_every_model_of_every_repository_in_its_default_version(root: Path, tmp_path: Path) -> None:
    write_version(root, "b", "1")
    write_version(root, "b", "2")
    write_version(tmp_path / "other", "a", "1")
    found = select(root, roots=(tmp_path / "other",))
    assert [(model.name, list(model.sources), model.default) for model in found] == [
        ("a", ["1"], "1"),
        ("b", ["2"], "2"),
    ]
    assert found[0].sources["1"].root == str(tmp_path / "other")


def test_versions_and_labels_that_are_asked_for(root: Path) -> None:
    for version in ("1", "2", "10"):
        write_version(root, "m", version)
    (root / "m/labels.yaml").write_text("stable: 1\n")
    (model,) = select(root, {"name": "m", "versions": ["stable", "10"]})
    assert list(model.sources) == ["1", "10"], "oldest first, by number"
    assert model.labels == {"stable": "1", "latest": "10"}
    assert model.default == "1"


def test_labels_of_versions_that_are_not_served_mean_nothing(root: Path) -> None:
    for version in ("1", "2"):
        write_version(root, "m", version)
    (model,) = select(root, {"name": "m", "versions": ["1"], "labels": {"canary": "2"}})
    assert model.labels == {}
    assert model.default == "1", "the default must be one that is served"


def test_the_settings_labels_win(root: Path) -> None:
    for version in ("1", "2"):
        write_version(root, "m", version)
    (root / "m/labels.yaml").write_text("stable: 1\n")
    (model,) = select(root, {"name": "m", "labels": {"stable": "2"}})
    assert (model.labels, model.default) == ({"stable": "2", "latest": "2"}, "2")


def test_a_draft_beside_numbers_is_not_the_latest(root: Path) -> None:
    for version in ("1", "2", "draft"):
        write_version(root, "m", version)
    (model,) = select(root, {"name": "m", "versions": ["1", "2", "draft"]})
    assert (model.default, model.labels["latest"]) == ("2", "2")


def test_a_repository_s_fault_breaks_its_model_and_no_other(root: Path) -> None:
    for name in ("m", "n"):
        write_version(root, name, "1")
    (root / "n" / "labels.yaml").write_text("stable: '9'\n")
    good, bad = select(root, {"name": "m"}, {"name": "n"})
    assert list(good.sources) == ["1"]
    assert (dict(bad.sources), bad.default) == ({}, "latest")
    assert "'stable' names version '9'" in bad.broken["latest"]


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ({"name": "n"}, "model 'n' is not served; served models: m"),
        ({"name": "m", "versions": ["9"]}, "model 'm' has no version or label '9'; it has: 1"),
        ({"name": "m", "labels": {"stable": "9"}}, "label 'stable' names version '9'; there is: 1"),
        ({"name": "m", "labels": {"latest": "1"}}, "'latest' is the highest version and cannot be set"),
        ({"name": "m", "labels": {"1": "1"}}, "'1' is also the name of a version"),
    ],
)
def test_what_does_not_exist_is_named(root: Path, model: dict[str, Any], sentence: str) -> None:
    write_version(root, "m", "1")
    assert sentence in refusal(root, model)


def test_a_repository_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert str(tmp_path / "absent") in refusal(tmp_path / "absent")


def test_a_broken_manifest_stays_with_its_reason_and_the_others_are_served(root: Path) -> None:
    write_version(root, "good", "1")
    path = break_manifest(root, "bad", "1")
    bad, good = select(root)
    assert bad.sources == {}
    assert bad.broken == {"1": f"{path / 'model.yaml'}: colour: unknown key"}
    assert bad.default == "1"
    assert (list(good.sources), good.broken) == (["1"], {})


def test_a_broken_version_beside_a_good_one(root: Path) -> None:
    write_version(root, "m", "1")
    break_manifest(root, "m", "2")
    (model,) = select(root, {"name": "m", "versions": ["1", "2"]})
    assert list(model.sources) == ["1"]
    assert list(model.broken) == ["2"]
    assert model.default == "2", "an older version must not take its place in silence"


STATES = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.dictionaries(st.sampled_from(["1", "2", "10", "draft"]), st.booleans(), min_size=1),
    min_size=1,
)


@settings(max_examples=60, deadline=None)
@given(STATES, st.booleans())
def test_every_model_of_the_settings_is_described_or_broken_with_a_reason(
    states: dict[str, dict[str, bool]], all_versions: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "models"
        for name, versions in states.items():
            for version, is_good in versions.items():
                (write_version if is_good else break_manifest)(root, name, version)
        models = [
            {"name": name, **({"versions": list(versions)} if all_versions else {})}
            for name, versions in states.items()
        ]
        selected = {model.name: model for model in select(root, *models)}
    assert selected.keys() == states.keys()
    for name, versions in states.items():
        model = selected[name]
        wanted = set(versions) if all_versions else {latest(versions)}
        assert {version for version in wanted if versions[version]} == set(model.sources)
        assert {version for version in wanted if not versions[version]} == set(model.broken)
        assert all(model.broken.values()), "a reason"
        assert list(model.sources) == sorted_versions(model.sources)
        assert model.default == latest(versions)
        assert set(model.labels.values()) <= wanted


@pytest.mark.parametrize(
    ("kind", "options", "placement"),
    [
        (None, {}, None),
        (None, {"preprocessing": "own"}, None),
        ("tokenize", {}, "replica"),
        ("image", {}, "replica"),
        ("image", {"pools": [{"name": "gpu", "device": "gpu", "num_gpus": 1}]}, "own"),
        ("tokenize", {"pools": [{"name": "gpu", "device": "gpu", "num_gpus": 1}]}, "replica"),
        ("tokenize", {"preprocessing": "own"}, "own"),
        ("image", {"preprocessing": "router"}, "router"),
        ("image", {"placement": "router"}, "router"),
        ("tokenize", {"placement": "router", "preprocessing": "replica"}, "router"),
    ],
)
def test_where_preprocessing_runs(root: Path, kind: str | None, options: dict[str, Any], placement: str | None) -> None:
    if kind is None:
        write_version(root, "m", "1")
    else:
        write_front(root, "m", kind)
    (model,) = select(root, {"name": "m", **options})
    assert preprocessing_placement(model.options, model.sources["1"].manifest) == placement
    assert (model.sources["1"].transform is None) == (kind is None)


def test_moved_files_and_the_cache_reach_the_source(root: Path) -> None:
    write_version(root, "m", "1")
    (model,) = select(root, {"name": "m", "files": {"weights": "s3://bucket/weights"}})
    assert model.sources["1"].moved == {"weights": "s3://bucket/weights"}
    assert model.sources["1"].cache_dir == str(root.parent / "cache")


def test_what_callers_may_know(root: Path) -> None:
    outputs = [{"name": "y", "datatype": "FP32", "shape": [-1, 2], "labels": "names"}]
    metadata = {"description": "Two.", "metrics": {"accuracy": 0.5}}
    write_version(root, "m", "1", {"names": b"cat\ndog\n"}, outputs=outputs, metadata=metadata)
    (model,) = select(root)
    found = describe_served(model.sources["1"], ("0", "1"))
    assert (found.name, found.version, found.versions, found.platform) == ("m", "1", ("0", "1"), "headrace_echo")
    assert list(found.inputs) == ["x"]
    assert found.outputs["y"].shape == (-1, 2)
    assert found.class_labels == {"y": ("cat", "dog")}
    assert found.properties == {"description": "Two.", "metric_accuracy": "0.5"}, "what is not said is left out"
    assert found.encoded_inputs == frozenset()


def test_a_missing_file_of_class_names_is_no_reason_to_serve_nothing(root: Path) -> None:
    outputs = [{"name": "y", "datatype": "FP32", "shape": [-1, 2], "labels": "names"}]
    place = write_version(root, "m", "1", {"names": b"cat\ndog\n"}, outputs=outputs)
    (place / "names").unlink()
    (model,) = select(root)
    assert describe_served(model.sources["1"], ("1",)).class_labels == {"y": ()}


def test_class_names_in_another_encoding_are_no_reason_to_serve_nothing(root: Path) -> None:
    outputs = [{"name": "y", "datatype": "FP32", "shape": [-1, 2], "labels": "names"}]
    write_version(root, "m", "1", {"names": b"chien\nl\xe9zard\n"}, outputs=outputs)
    (model,) = select(root)
    assert describe_served(model.sources["1"], ("1",)).class_labels == {"y": ("chien", "l\ufffdzard")}


@pytest.mark.parametrize(("kind", "encoded"), [("image", {"text"}), ("tokenize", set())])
def test_only_images_are_encoded_inputs(root: Path, kind: str, encoded: set[str]) -> None:
    write_front(root, "m", kind)
    (model,) = select(root)
    assert describe_served(model.sources["1"], ("1",)).encoded_inputs == encoded


def test_the_options_of_a_model_that_the_settings_do_not_name_are_the_defaults(root: Path) -> None:
    write_version(root, "m", "1")
    assert select(root)[0].options == Model(name="m")
