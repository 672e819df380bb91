"""The composition root: which deployments the settings give, and how they are joined. Nothing runs: no Ray."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import cloudpickle
import pytest
import ray
from ray.serve._private.build_app import build_app as build_serve_app

from serve_app import app as app_module
from serve_app.app import (
    SPARE_CALLS,
    build_app,
    dispatch_limits,
    replica_options,
)
from serve_app.node_floor import Reserved
from serve_app.preprocessing.deployment import PreprocessingTarget
from serve_app.profiles import Profile, write_profiles
from serve_app.replica.deployment import ModelReplica
from serve_app.reservation import ALLOCATOR_ENVIRONMENT, THREADS_ENVIRONMENT, actor_options
from serve_app.router.deployment import Router
from serve_app.router.plan import LocalPool, ModelPlan, RemotePool
from serve_app.settings import Autoscaling, Limits, Pool, SettingsError
from tests.unit.serve_app.building import break_manifest, write_front, write_version

GPU = {"name": "gpu", "device": "gpu", "num_gpus": 1}


class Graph(NamedTuple):
    """What was bound.

    Attributes:
        deployments: Name to deployment, as Serve would start it.
        plans: What the router is built with, by model.
        hub: Names of the deployments whose metrics are added up.
        scaled: Options of those that Headrace's policy scales.
        promises: Options by which the routers count what is late.
        reserved: What the hub asks nodes for; None: it asks for none.
    """

    deployments: dict[str, Any]
    plans: dict[str, ModelPlan]
    hub: list[str]
    scaled: dict[str, Autoscaling]
    promises: dict[str, Autoscaling]
    reserved: list[Reserved] | None

    @property
    def models(self) -> list[str]:
        return sorted(name for name, one in self.deployments.items() if one.func_or_class is ModelReplica)

    def pool(self, model: str = "m", version: str = "1", index: int = 0) -> Any:
        return self.plans[model].versions[version].pools[index]


def build(root: Path | None = None, *models: dict[str, Any], **options: Any) -> Graph:
    if root is not None:
        options = {"repositories": [str(root)], "cache_dir": str(root / ".cache"), "models": models, **options}
    application = build_app(options)
    assert not ray.is_initialized()
    deployments = {one.name: one for one in build_serve_app(application, name="test").deployments}
    router = application._bound_deployment
    plans, _, hub = router.init_args
    return Graph(deployments, {plan.name: plan for plan in plans}, *hub._bound_deployment.init_args)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_version(tmp_path, "m", "1", batching={"max_rows": 7})
    return tmp_path


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "_cluster_has_gpu", lambda: True)


def name_of(handle: Any) -> str:
    return str(handle._bound_deployment.name)


def test_without_settings_every_bundled_model_is_served() -> None:
    graph = build()
    models = ["digits-v1-cpu", "echo-v1-cpu", "efficientnet_lite0-v1-cpu", "minilm-v1-cpu"]
    assert graph.models == models
    assert sorted(graph.deployments) == sorted([*models, "Router", "TelemetryHub"])
    assert all(not plan.broken for plan in graph.plans.values())


def test_metrics_are_taken_from_every_deployment_but_the_hub() -> None:
    graph = build()
    assert sorted([*graph.hub, "TelemetryHub"]) == sorted(graph.deployments)


def test_the_graph_travels_to_the_controller() -> None:
    """Serve pickles what each deployment is built with."""
    for deployment in build().deployments.values():
        cloudpickle.loads(cloudpickle.dumps((deployment.init_args, deployment.init_kwargs)))


def test_the_router_is_the_ingress_and_refuses_nothing_that_its_own_admission_takes(root: Path) -> None:
    router = build(root, {"name": "m"}, router={"num_replicas": 3, "num_cpus": 2}).deployments["Router"]
    assert issubclass(router.func_or_class, Router)
    assert (router.num_replicas, router.ray_actor_options["num_cpus"]) == (3, 2)
    assert router.max_ongoing_requests >= 10_000


def test_the_router_follows_its_load_and_every_router_may_call(root: Path) -> None:
    scaling = {"min_replicas": 2, "max_replicas": 6, "thresholds": {"up_ratio": 0.6}}
    graph = build(root, {"name": "m"}, router={"autoscaling": scaling})
    config = graph.deployments["Router"]._deployment_config.autoscaling_config
    assert (config.min_replicas, config.max_replicas) == (2, 6)
    assert config.policy.policy_kwargs["curve"] == [0.002, 0.0, 1]
    assert config.policy.policy_kwargs["thresholds"]["up_ratio"] == 0.6
    assert isinstance(config.policy.get_policy()(**config.policy.policy_kwargs)(None), tuple)
    assert graph.scaled["Router"].max_replicas == 6
    assert graph.promises == {}, "it makes none for a pool"
    limits = Limits()
    assert graph.deployments["m-v1-cpu"].max_ongoing_requests >= 6 * limits.max_calls_per_replica + SPARE_CALLS


def test_nodes_are_asked_for_where_they_are_wanted_for_every_deployment(tmp_path: Path) -> None:
    write_front(tmp_path, "f", "image")
    model = {"name": "f", "preprocessing": "own", "pools": [{"num_cpus": 2, "autoscaling": {"max_replicas": 9}}]}
    options = {"preprocessors": {"num_replicas": 3}, "router": {"num_cpus": 0.5}}
    assert build(tmp_path, model, **options).reserved is None
    assert build(tmp_path, model, nodes_ahead=True, **options).reserved == [
        Reserved("f-v1-cpu", {"CPU": 2.0}, 1, 9),
        Reserved("Preprocessor-image", {"CPU": 0.25}, 3, 3),
        Reserved("Router", {"CPU": 0.5}, 1, 1),
        Reserved("TelemetryHub", {"CPU": 0.05}, 1, 1),
    ]


def test_settings_come_from_a_file_too(root: Path) -> None:
    path = root / "settings.yaml"
    path.write_text(f"repositories: ['{root}']\nmodels: [{{name: m}}]\n")
    graph = build(settings_file=str(path))
    assert graph.models == ["m-v1-cpu"]


def test_the_environment_overrides(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_ROUTER", '{"num_replicas": 2}')
    assert build(root, {"name": "m"}).deployments["Router"].num_replicas == 2


def test_an_unknown_model_is_named(root: Path) -> None:
    with pytest.raises(SettingsError, match="model 'absent' is not served; served models: m"):
        build(root, {"name": "m"}, {"name": "absent"})


def test_an_unknown_option_is_named(root: Path) -> None:
    with pytest.raises(SettingsError, match=r"args of build_app: modells: unknown key"):
        build(root, modells=[])


def test_a_broken_manifest_in_a_second_repository_leaves_the_others_serving(root: Path, tmp_path: Path) -> None:
    second = tmp_path / "second"
    break_manifest(second, "bad", "1")
    write_version(second, "good", "1")
    graph = build(repositories=[str(root), str(second)])
    assert graph.models == ["good-v1-cpu", "m-v1-cpu"]
    assert graph.plans["bad"].versions == {}
    assert "colour: unknown key" in graph.plans["bad"].broken["1"]


def test_two_versions_with_labels(root: Path) -> None:
    write_version(root, "m", "2")
    graph = build(root, {"name": "m", "versions": ["1", "2"], "labels": {"stable": "1", "canary": "2"}})
    assert graph.models == ["m-v1-cpu", "m-v2-cpu"]
    plan = graph.plans["m"]
    assert plan.labels == {"stable": "1", "canary": "2", "latest": "2"}
    assert plan.default == "1"
    assert plan.versions["2"].served.versions == ("1", "2")
    assert name_of(graph.pool(version="2").model) == "m-v2-cpu"


def test_two_models_never_share_a_deployment(tmp_path: Path) -> None:
    """Names hold the character that joins them: one of the two would answer with the other's outputs."""
    write_version(tmp_path, "m", "1-v2")
    write_version(tmp_path, "m-v1", "2")
    with pytest.raises(SettingsError, match=r"model 'm-v1': its deployment 'm-v1-v2-cpu' has the name of another"):
        build(tmp_path)
    graph = build(tmp_path, {"name": "m"}, {"name": "m-v1", "pools": [{"name": "other"}]})
    assert graph.models == ["m-v1-v2-cpu", "m-v1-v2-other"]


def test_a_gpu_pool_without_a_gpu_is_skipped_and_the_cpu_pool_serves(root: Path) -> None:
    graph = build(root, {"name": "m", "pools": [{}, GPU]})
    assert graph.models == ["m-v1-cpu"]
    assert [pool.pool.name for pool in graph.plans["m"].versions["1"].pools] == ["cpu"]


def test_a_model_whose_only_pool_is_skipped_says_why(root: Path) -> None:
    graph = build(root, {"name": "m", "pools": [GPU]})
    assert graph.models == []
    assert graph.plans["m"].versions == {}
    assert graph.plans["m"].broken == {
        "1": "its only pools are for GPUs and the cluster has none; add one, or set start: always"
    }


def test_a_gpu_pool_that_is_asked_for_always_is_bound(root: Path) -> None:
    graph = build(root, {"name": "m", "pools": [{**GPU, "start": "always"}]})
    assert graph.models == ["m-v1-gpu"]
    assert graph.deployments["m-v1-gpu"].ray_actor_options["num_gpus"] == 1


def test_where_there_is_a_gpu_both_pools_start(root: Path, gpu: None) -> None:
    graph = build(root, {"name": "m", "pools": [{}, GPU]})
    assert graph.models == ["m-v1-cpu", "m-v1-gpu"]
    assert [name_of(pool.entry) for pool in graph.plans["m"].versions["1"].pools] == graph.models


@pytest.mark.parametrize("kind", [None, "tokenize", "image"])
def test_a_model_in_the_router_s_process_has_no_deployment(root: Path, kind: str | None) -> None:
    if kind is not None:
        write_front(root, "f", kind)
    name = "m" if kind is None else "f"
    graph = build(root, {"name": name, "placement": "router"})
    assert sorted(graph.deployments) == ["Router", "TelemetryHub"]
    pool = graph.pool(name)
    assert isinstance(pool, LocalPool)
    assert (pool.in_front is not None) == (kind is not None), "its preprocessing is there too"


@pytest.mark.parametrize("kind", ["tokenize", "image"])
@pytest.mark.parametrize("placement", ["own", "replica", "router"])
def test_preprocessing_runs_exactly_once_wherever_it_is_placed(tmp_path: Path, kind: str, placement: str) -> None:
    write_front(tmp_path, "f", kind)
    graph = build(tmp_path, {"name": "f", "preprocessing": placement})
    pool = graph.pool("f")
    assert isinstance(pool, RemotePool)
    in_replica = graph.deployments["f-v1-cpu"].init_args[2] is not None
    own = f"Preprocessor-{kind}" in graph.deployments
    assert [own, in_replica, pool.in_router is not None] == [
        placement == where for where in ("own", "replica", "router")
    ]
    assert name_of(pool.model) == "f-v1-cpu"
    assert name_of(pool.entry) == (f"Preprocessor-{kind}" if own else "f-v1-cpu")


def test_one_preprocessor_a_kind_knows_each_pool_it_feeds(tmp_path: Path, gpu: None) -> None:
    for name, kind in (("a", "image"), ("b", "image"), ("t", "tokenize")):
        write_front(tmp_path, name, kind)
    models: list[dict[str, Any]] = [{"name": name, "preprocessing": "own"} for name in "abt"]
    models[0]["pools"] = [{}, GPU]
    graph = build(tmp_path, *models, preprocessors={"num_replicas": 2, "num_cpus": 3})
    preprocessor = graph.deployments["Preprocessor-image"]
    targets, num_threads = preprocessor.init_args
    assert sorted(targets) == ["a-v1-cpu", "a-v1-gpu", "b-v1-cpu"]
    assert all(isinstance(target, PreprocessingTarget) for target in targets.values())
    assert {name: target.model.deployment_name for name, target in targets.items()} == {name: name for name in targets}
    assert (preprocessor.num_replicas, num_threads) == (2, 3)
    assert list(graph.deployments["Preprocessor-tokenize"].init_args[0]) == ["t-v1-cpu"]
    for version in (graph.plans["a"].versions["1"], graph.plans["b"].versions["1"]):
        assert all(isinstance(pool, RemotePool) and pool.target in targets for pool in version.pools)


@pytest.mark.parametrize(
    ("kind", "placement", "num_callers"), [("image", "own", 5), ("image", "router", 2), ("tokenize", "replica", 2)]
)
def test_a_replica_takes_every_call_that_its_callers_may_send(
    tmp_path: Path, kind: str, placement: str, num_callers: int
) -> None:
    write_front(tmp_path, "f", kind)
    limits = {"max_calls_per_replica": 11}
    options = {"router": {"num_replicas": 2}, "preprocessors": {"num_replicas": 5}}
    graph = build(tmp_path, {"name": "f", "preprocessing": placement, "limits": limits}, **options)
    assert graph.deployments["f-v1-cpu"].max_ongoing_requests >= num_callers * 11 + SPARE_CALLS


def test_autoscaling_bounds_reach_serve(root: Path) -> None:
    scaling = {"policy": "ray", "min_replicas": 0, "max_replicas": 5}
    scaling |= {"target_ongoing_requests": 1.5, "upscale_delay_s": 3}
    deployment = build(root, {"name": "m", "pools": [{"autoscaling": scaling}]}).deployments["m-v1-cpu"]
    config = deployment._deployment_config.autoscaling_config
    assert (config.min_replicas, config.max_replicas) == (0, 5)
    assert (config.target_ongoing_requests, config.upscale_delay_s, config.downscale_delay_s) == (1.5, 3, 300)


def test_the_policy_reaches_serve_with_its_options_and_no_delay_of_serves(root: Path) -> None:
    scaling = {"min_replicas": 1, "max_replicas": 9, "slo_s": 0.25, "startup_s": 40}
    graph = build(root, {"name": "m", "pools": [{"autoscaling": scaling}]})
    config = graph.deployments["m-v1-cpu"]._deployment_config.autoscaling_config
    assert (config.min_replicas, config.max_replicas) == (1, 9)
    assert config.upscale_delay_s == config.downscale_delay_s == 0
    assert config.policy.policy_kwargs == {
        "slo_s": 0.25, "late_ratio": 0.01, "startup_s": 40.0, "keep_alive_s": 300.0,
        "min_confidence": 0.8, "schedules": [],
    }  # fmt: skip
    assert isinstance(config.policy.get_policy()(**config.policy.policy_kwargs)(None), tuple)
    (pool,) = graph.plans["m"].versions["1"].pools
    assert isinstance(pool, RemotePool)
    assert pool.counted_slo_s == 0.25


@pytest.mark.parametrize(("placement", "row_s"), [("replica", 0.003), ("own", 0.002)])
@pytest.mark.parametrize("startup_s", [7.5, None])
def test_a_profile_s_rows_count_with_the_preprocessing_of_their_replica(
    tmp_path: Path, placement: str, row_s: float, startup_s: float | None
) -> None:
    write_front(tmp_path, "f", "tokenize")
    times = {"call_s": 0.01, "row_s": 0.002, "preprocess_row_s": 0.001, "startup_s": startup_s}
    profile = Profile(**times, max_rows=32, measured="before")
    write_profiles(tmp_path / "p.yaml", {"f": {"1": {"cpu": profile}}})
    model = {"name": "f", "preprocessing": placement, "pools": [{"autoscaling": {}}]}
    graph = build(tmp_path, model, profiles=str(tmp_path / "p.yaml"))
    kwargs = graph.deployments["f-v1-cpu"]._deployment_config.autoscaling_config.policy.policy_kwargs
    assert kwargs["curve"] == [0.01, row_s, 32]
    assert kwargs.get("startup_s") == startup_s


def test_preprocessing_follows_its_load_too_and_hears_of_it_from_the_router(tmp_path: Path) -> None:
    write_front(tmp_path, "f", "image")
    options = {"preprocessors": {"autoscaling": {"max_replicas": 3, "slo_s": 0.5}}}
    graph = build(tmp_path, {"name": "f", "preprocessing": "own"}, **options)
    assert graph.deployments["Preprocessor-image"]._deployment_config.autoscaling_config.max_replicas == 3
    (pool,) = graph.plans["f"].versions["1"].pools
    assert isinstance(pool, RemotePool)
    assert pool.counted_slo_s == 0.5
    assert graph.promises["f-v1-cpu"].slo_s == 0.5, "under the name that the routers count by"
    assert list(graph.promises) == ["f-v1-cpu"]


@pytest.mark.parametrize(
    ("model", "before", "needed"),
    [
        (1, 1, ["f-v1-cpu", "Preprocessor-image"]),
        (0, 1, ["Preprocessor-image"]),
        (1, 0, ["f-v1-cpu"]),
        (0, 0, []),
    ],
)
def test_readiness_waits_for_what_never_scales_to_zero(
    tmp_path: Path, model: int, before: int, needed: list[str]
) -> None:
    write_front(tmp_path, "f", "image")
    pools = [{"autoscaling": {"min_replicas": model}}]
    options = {"preprocessors": {"autoscaling": {"min_replicas": before}}}
    pool = build(tmp_path, {"name": "f", "preprocessing": "own", "pools": pools}, **options).pool("f")
    assert [name_of(handle) for handle in pool.needed] == needed


def test_the_hub_knows_what_headrace_scales(tmp_path: Path) -> None:
    write_front(tmp_path, "f", "image")
    pools = [{"name": "a", "autoscaling": {"max_replicas": 9}}, {"name": "b", "autoscaling": {"policy": "ray"}}]
    options = {"preprocessors": {"autoscaling": {"max_replicas": 3}}}
    graph = build(tmp_path, {"name": "f", "preprocessing": "own", "pools": [*pools, {"name": "c"}]}, **options)
    assert {name: scaling.max_replicas for name, scaling in graph.scaled.items()} == {
        "f-v1-a": 9,
        "Preprocessor-image": 3,
    }


def test_a_fixed_number_of_replicas_reaches_serve(root: Path) -> None:
    deployment = build(root, {"name": "m", "pools": [{"num_replicas": 3}]}).deployments["m-v1-cpu"]
    assert deployment.num_replicas == 3
    assert deployment._deployment_config.autoscaling_config is None


def test_replica_options_are_one_or_the_other() -> None:
    assert replica_options(Pool(num_replicas=2)) == {"num_replicas": 2}
    assert replica_options(Pool(num_replicas=2, autoscaling=Autoscaling())).keys() == {"autoscaling_config"}


def test_a_call_carries_at_most_one_full_batch_of_the_version(root: Path) -> None:
    version = build(root, {"name": "m", "limits": {"max_rows_per_request": 50}}).plans["m"].versions["1"]
    assert version.limits.max_call_rows == 7
    assert version.max_rows_per_request == 50
    options = Limits(
        max_queued_requests=1,
        max_calls_per_replica=2,
        max_call_requests=3,
        max_call_bytes=4000,
        max_value_bytes=2000,
        max_wait_s=5,
    )
    limits = dispatch_limits(options, version.source.manifest)
    assert {name: getattr(limits, name) for name in Limits.model_fields if hasattr(limits, name)} == options.model_dump(
        exclude={"max_rows_per_request"}
    )


def test_what_a_replica_asks_of_ray() -> None:
    asked = actor_options(Pool(num_cpus=2, memory_bytes=1000, resources={"fpga": 1}, allocator="system"))
    runtime_env = {"env_vars": THREADS_ENVIRONMENT}
    assert asked == {
        "num_cpus": 2, "num_gpus": 0, "resources": {"fpga": 1}, "memory": 1000, "runtime_env": runtime_env
    }  # fmt: skip
    assert actor_options(Pool())["runtime_env"] == {"env_vars": THREADS_ENVIRONMENT | ALLOCATOR_ENVIRONMENT}
    assert "runtime_env" not in actor_options(Pool(**GPU)), "its activations are on the device"


def test_no_deployment_writes_an_access_log(root: Path) -> None:
    for deployment in build(root, {"name": "m"}).deployments.values():
        assert deployment._deployment_config.logging_config["enable_access_log"] is False


RAY = {"policy": "ray"}


@pytest.mark.parametrize(
    ("pool", "preprocessors", "transport", "entry_is_direct", "model_is_direct"),
    [
        ({}, {}, "direct", True, True),
        ({}, {}, "serve", False, False),
        ({"autoscaling": {"max_replicas": 2}}, {}, "direct", True, True),
        ({"autoscaling": RAY}, {}, "direct", True, False),
        ({}, {"autoscaling": RAY}, "direct", False, True),
    ],
)
def test_calls_go_by_serve_where_it_must_count_them(
    tmp_path: Path,
    pool: dict[str, Any],
    preprocessors: dict[str, Any],
    transport: str,
    entry_is_direct: bool,
    model_is_direct: bool,
) -> None:
    write_front(tmp_path, "f", "image")
    model = {"name": "f", "preprocessing": "own", "pools": [pool]}
    graph = build(tmp_path, model, preprocessors=preprocessors, transport=transport)
    found = graph.pool("f")
    assert isinstance(found, RemotePool)
    (target,) = graph.deployments["Preprocessor-image"].init_args[0].values()
    assert (found.is_direct, target.is_direct) == (entry_is_direct, model_is_direct)


def test_a_model_without_preprocessing_of_its_own_is_called_as_its_own_policy_needs(root: Path) -> None:
    for scaling, is_direct in ((None, True), (RAY, False)):
        options = {"preprocessors": {"autoscaling": RAY}}
        found = build(root, {"name": "m", "pools": [{"autoscaling": scaling}]}, **options).pool("m")
        assert isinstance(found, RemotePool)
        assert found.is_direct == is_direct
