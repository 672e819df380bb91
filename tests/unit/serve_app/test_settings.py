"""The settings: what they refuse and in which words, where they come from, and that they stay what they are."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from serve_app.settings import Autoscaling, Limits, Model, Pool, Settings, SettingsError, load_settings, parse_settings

GPU = {"name": "gpu", "device": "gpu", "num_gpus": 1}


def refusal(data: Mapping[str, Any], **environ: str) -> str:
    with pytest.raises(SettingsError) as caught:
        parse_settings(data, "here.yaml", environ)
    return str(caught.value)


def model(**options: Any) -> dict[str, Any]:
    return {"models": [{"name": "m", **options}]}


def test_nothing_set_serves_every_bundled_model() -> None:
    found = parse_settings({}, "here")
    assert found.models == ()
    assert found.repositories == ("package://models/catalog",)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"modells": []}, "modells: unknown key"),
        (model(pool=[]), "models.0.pool: unknown key"),
        (model(pools=[]), "models.0.pools: "),
        (model(pools=[{"cpus": 1}]), "models.0.pools.0.cpus: unknown key"),
        (model(pools=[{"name": "a"}, {"name": "a"}]), "model 'm': pool names must differ: ['a', 'a']"),
        ({"models": [{"name": "m"}, {"name": "m"}, {"name": "n"}]}, "model names must differ: ['m'] repeat"),
        (model(versions=[1]), "models.0.versions.0: is read as a number or a truth value; write it in quotes"),
        (model(labels={"stable": 1.1}), "models.0.labels.stable: is read as a number"),
        (model(placement="router", preprocessing="own"), "model 'm': a model in the router's process has its"),
        (model(placement="router", pools=[GPU]), "model 'm': a gpu pool needs placement own"),
        (model(pools=[{"device": "gpu"}]), "pool 'cpu': device gpu and num_gpus go together"),
        (model(pools=[{"num_gpus": 1}]), "pool 'cpu': device gpu and num_gpus go together"),
        (model(pools=[{"num_cpus": 1.9, "num_threads": 2}]), "2 threads need num_cpus of at least 2, it has 1.9"),
        (model(pools=[{"num_cpus": math.inf}]), "models.0.pools.0.num_cpus: "),
        (model(pools=[{"resources": {"fpga": -1}}]), "models.0.pools.0.resources.fpga: "),
        (model(pools=[{"resources": {"fpga": math.nan}}]), "models.0.pools.0.resources.fpga: "),
        (model(pools=[{"autoscaling": {"min_replicas": 5}}]), "min_replicas 5 is over max_replicas 4"),
        (model(limits={"max_wait_s": math.inf}), "models.0.limits.max_wait_s: "),
        (model(limits={"max_value_bytes": 4_000_000}), "models.0.limits.max_value_bytes: "),
        ({"router": {"default_budget_s": 0}}, "router.default_budget_s: "),
        (
            {"router": {"autoscaling": {"policy": "ray"}}},
            "router: autoscaling.policy ray counts calls that Serve carries",
        ),
        ({"router": {"autoscaling": {"min_replicas": 0}}}, "router: autoscaling.min_replicas must be 1 or more"),
        ({"repositories": []}, "repositories: "),
    ],
)
def test_what_is_wrong_is_said_where_it_is(data: dict[str, Any], sentence: str) -> None:
    found = refusal(data)
    assert found.startswith("here.yaml: ")
    assert sentence in found


@pytest.mark.parametrize(
    ("options", "threads"),
    [({}, 1), ({"num_cpus": 0}, 1), ({"num_cpus": 2.9}, 2), ({"num_cpus": 4, "num_threads": 3}, 3)],
)
def test_threads_follow_the_whole_cpus(options: dict[str, Any], threads: int) -> None:
    assert Pool(**options).threads == threads


def test_the_most_replicas_are_those_of_the_autoscaling_if_there_is_one() -> None:
    assert Pool(num_replicas=3).max_replicas == 3
    assert Pool(num_replicas=3, autoscaling=Autoscaling(max_replicas=7)).max_replicas == 7


def test_the_environment_wins_over_the_file_and_is_read_as_json() -> None:
    environ = {"HEADRACE_ROUTER": '{"num_cpus": 2}', "HEADRACE_CACHE_DIR": "/somewhere", "HEADRACE_OTHER": "{"}
    found = parse_settings({"router": {"num_replicas": 3}}, "here", environ)
    assert found.router.num_cpus == 2
    assert found.router.num_replicas == 1, "an option is replaced as a whole"
    assert found.cache_dir == "/somewhere"


def test_an_error_from_the_environment_names_the_variable() -> None:
    """The file is right, and whoever reads only its name would look in the wrong place."""
    assert "HEADRACE_MODELS of the environment: models: " in refusal({}, HEADRACE_MODELS="[")
    assert "HEADRACE" not in refusal({"models": 1}, HEADRACE_CACHE="x")


def test_settings_are_read_from_a_file_or_from_a_serve_config(tmp_path: Path) -> None:
    alone, config, pointer = tmp_path / "alone.yaml", tmp_path / "config.yaml", tmp_path / "pointer.yaml"
    options = {"router": {"num_replicas": 2}}
    alone.write_text(yaml.safe_dump(options))
    config.write_text(yaml.safe_dump({"applications": [{"import_path": "x:y", "args": options}, {"args": {}}]}))
    pointer.write_text(yaml.safe_dump({"applications": [{"args": {"settings_file": "alone.yaml"}}]}))
    assert load_settings(alone, {}) == load_settings(config, {}) == load_settings(pointer, {})
    assert load_settings(alone, {}).router.num_replicas == 2


def test_the_process_s_environment_counts_if_none_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("{}")
    monkeypatch.setenv("HEADRACE_CACHE_DIR", "/from-environment")
    assert load_settings(path).cache_dir == "/from-environment"
    assert load_settings(path, {}).cache_dir != "/from-environment"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a: [", "is not YAML: "),
        (b"\xff\xfe\xfa", "is not YAML: "),
        (b"a: 2024-13-45", "is not YAML: month must be in 1..12"),
        (b"- 1", "must be a mapping of options"),
        (b"", "must be a mapping of options"),
        (b"applications: []", "applications must be a list"),
        (b"applications:", "applications must be a list"),
        (b"applications: {name: x}", "applications must be a list"),
        (b"applications: [x]", "applications must be a list"),
        (b"applications: [{args: [1]}]", "args must be a mapping of options"),
        (b"settings_file: other.yaml\nrouter: {}", "settings_file stands alone, remove router"),
        (b"settings_file: absent.yaml", "absent.yaml: No such file or directory"),
    ],
)
def test_what_is_no_settings_file(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        load_settings(path, {})
    assert sentence in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["absent.yaml", "."])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=r"No such file|Is a directory"):
        load_settings(tmp_path / name, {})


def test_an_application_without_args_has_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("applications: [{import_path: 'x:y', args: }]")
    assert load_settings(path, {}) == Settings()


def _texts() -> st.SearchStrategy[str]:
    return st.text("abc/.-:", max_size=8)


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,6}", fullmatch=True)
AMOUNTS = st.floats(allow_nan=True, allow_infinity=True) | st.integers(-1, 9)
COUNTS = st.integers(-1, 5000)
SCALING = st.fixed_dictionaries(
    {}, optional={"min_replicas": COUNTS, "max_replicas": COUNTS, "upscale_delay_s": AMOUNTS}
)
POOLS = st.fixed_dictionaries(
    {"name": NAMES},
    optional={
        "num_cpus": AMOUNTS,
        "num_replicas": COUNTS,
        "memory_bytes": st.none() | COUNTS,
        "resources": st.dictionaries(_texts(), AMOUNTS, max_size=2),
        "precision": st.sampled_from([None, "fp32", "bf16", "fp8"]),
        "start": st.sampled_from(["auto", "always"]),
        "autoscaling": st.none() | SCALING,
    },
)
MODELS = st.fixed_dictionaries(
    {"name": NAMES},
    optional={
        "versions": st.lists(_texts(), max_size=2),
        "labels": st.dictionaries(_texts(), _texts(), max_size=2),
        "placement": st.sampled_from(["own", "router"]),
        "preprocessing": st.sampled_from([None, "own", "replica", "router"]),
        "pools": st.lists(POOLS | st.just(GPU), max_size=2),
        "limits": st.fixed_dictionaries(
            {}, optional={"max_wait_s": AMOUNTS, "max_value_bytes": st.integers(0, 4_000_000)}
        ),
        "files": st.dictionaries(_texts(), _texts(), max_size=2),
    },
)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "repositories": st.lists(_texts(), max_size=2),
        "models": st.lists(MODELS, max_size=3),
        "router": st.fixed_dictionaries({}, optional={"num_cpus": AMOUNTS, "default_budget_s": st.none() | AMOUNTS}),
    },
)


@settings(max_examples=300, deadline=None)
@given(SETTINGS)
def test_whatever_is_accepted_comes_back_the_same_from_every_form(data: dict[str, Any]) -> None:
    """Settings travel as YAML in a Serve config, as JSON in the environment, and as a pickle to replicas."""
    try:
        found = parse_settings(data, "here")
    except SettingsError:
        return
    plain = found.model_dump(mode="json")
    assert parse_settings(json.loads(json.dumps(plain, allow_nan=False)), "here") == found
    assert parse_settings(yaml.safe_load(yaml.safe_dump(plain)), "here") == found
    assert Settings.model_validate_json(found.model_dump_json()) == found
    assert pickle.loads(pickle.dumps(found)) == found


def _all_options() -> list[tuple[type[BaseModel], str, Any]]:
    classes: list[type[BaseModel]] = [Settings]
    for cls in classes:
        for field in cls.model_fields.values():
            parts = [field.annotation, *getattr(field.annotation, "__args__", ())]
            classes += [part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)]
    return [(cls, name, field) for cls in dict.fromkeys(classes) for name, field in cls.model_fields.items()]


UNITS = ("_s", "_bytes", "_ratio")
COUNTED = ("num_", "max_", "min_", "target_")


@pytest.mark.parametrize(("cls", "name", "field"), _all_options(), ids=lambda value: getattr(value, "__name__", value))
def test_every_number_has_its_unit_or_what_it_counts_in_its_name(cls: type[BaseModel], name: str, field: Any) -> None:
    if field.annotation in (int, float, int | None, float | None):
        assert name.endswith(UNITS) or name.startswith(COUNTED), f"{cls.__name__}.{name}"


def test_the_walk_over_the_options_finds_the_nested_ones() -> None:
    found = {cls for cls, _, _ in _all_options()}
    assert {Settings, Model, Pool, Autoscaling, Limits} <= found


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().router.num_cpus = 3


def test_no_confidence_is_no_floor_and_not_the_policy_s_default() -> None:
    kwargs = Autoscaling(min_confidence=None).serve_config()["policy"]["policy_kwargs"]
    assert kwargs["min_confidence"] is None


@pytest.mark.parametrize("policy", ["headrace", "ray"])
def test_scaling_that_was_written_with_all_its_defaults_is_the_same(policy: str) -> None:
    scaling = Autoscaling(policy=policy)
    again = Autoscaling.model_validate(scaling.model_dump(mode="json"))
    measured = {"startup_s": 7.0, "curve": [0.01, 0.002, 8]}
    assert again == scaling
    assert again.serve_config(measured) == scaling.serve_config(measured)


@pytest.mark.parametrize(("startup_s", "expected"), [(None, 7.0), (15.0, 15.0), (0.0, 0.0)])
def test_a_start_that_is_set_wins_over_the_measured_one(startup_s: float | None, expected: float) -> None:
    config = Autoscaling(startup_s=startup_s).serve_config({"startup_s": 7.0})
    assert config["policy"]["policy_kwargs"]["startup_s"] == expected
