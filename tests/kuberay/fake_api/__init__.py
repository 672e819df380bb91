"""A Kubernetes API server for tests, in this process, spoken to over HTTP by the real `kubernetes` client.

How to use it (fixtures in `tests/kuberay/conftest.py`):

    def test_it(ray_cluster: FakeCluster, tmp_path: Path) -> None:   # KubeRay's CRDs installed; `cluster` has none
        dynamic = ray_cluster.dynamic_client(tmp_path / "discovery.json")
        services = dynamic.resources.get(api_version="ray.io/v1", kind="RayService")
        services.server_side_apply(body, namespace="default", field_manager="headrace", force_conflicts=False)

Time stands still (`cluster.clock`) until a test moves it. A client of the server may only rely on what a real server
does; a test may also look at and write to `cluster.api`, which is the same without HTTP, and
- `cluster.forbid("list", "rayservices")`: RBAC refuses; `cluster.refuse(ApiError(503, ...))`: the next request fails;
- `cluster.api.store.compact()`: a watch from before is answered with 410;
- `cluster.install_open_kind("monitoring.coreos.com/v1", "PodMonitor", "podmonitors")`: a kind that checks nothing;
- `cluster.kubeconfig(path)`: for code that reads its configuration from a file.

Of `cluster.api`: `api.create(Call(api.kind("", "v1", "nodes")), body)`; what it gives back is what is stored, do not
write to it.

KubeRay's operator is the fixture `operator`; it acts only when told to, which makes time pass:
- `operator.step()`: two seconds and one reconcile; `operator.run(60)`: so many seconds, usable as the `sleep` of the
  code under test, whose clock is then `cluster.clock.time` or `.elapsed_s`;
- `cluster.pace_watches(operator.step)`: for code that watches: a watch with nothing to tell takes steps, and waits not;
- `operator.world`: how long things take and what goes wrong (pods, applications, Serve, Redis), see `world.py`;
- the fixtures `rollout` and `ready`: a RayService that is followed step by step, see `rollout.py` beside this package;
- `manifests.ray_service(...)`: a RayService to apply, `manifests.serve_config("app", ...)` what runs on it.

    errors.py      refusals as Status objects          cluster.py     server, clients, what can be wrong
    resources.py   kinds: a table, and from CRDs       http.py        paths and queries -> calls; JSON, chunks
    store.py       objects, versions, the log          api.py         the verbs; calls.py, one request as a value
    typed.py       objects by path, through schemas    apply.py       server-side apply: who owns what (pure)
    schema.py      unknown fields, defaults, rules     type_errors.py what apply answers with HTTP 500
    lifecycle.py   metadata, names, generations        garbage.py     finalizers, owners, namespaces
    patches.py     merge, JSON, strategic              watch.py       the log as a stream; selectors.py, discovery.py

    operator.py    looks, asks, writes                 world.py       times and faults
    rayservice.py  clusters, Serve, switch (pure)      service_status.py, incremental.py  the status it writes (pure)
    raycluster.py  pods, Redis (pure)                  cluster_spec.py  the hash and the rules of a spec (pure)
    pods.py        kubelet's part (pure)               serve.py       Ray Serve's part (pure); recorder.py, events

What it is not: kinds without a CRD are not validated (but for names and metadata), background work such as cascading
deletion is done at once, a real server's paging, quotas, priorities and admission webhooks are not there. The operator
knows neither suspension nor a roll-back within an incremental upgrade, and makes no Gateways.

It is written from `kuberay.md` of the project's reference pages, sections 5 and 9; every trap there has a test here.
"""
