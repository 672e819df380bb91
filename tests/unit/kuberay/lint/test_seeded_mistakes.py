"""Small mistakes in the profiles of `deploy/`, each a change of one text: lint names it, its place, and what to do."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from kuberay.lint.finding import Finding
from kuberay.lint.run import lint

DEPLOY = Path(__file__).parents[4] / "deploy"
SPOT_GPU, ONE_CPU, CPU_ONLY = "eks-cpu-gpu-spot", "local-kind", "cpu-only"
SETTINGS, PLATFORM, SERVICE = "cluster.yaml", "platform.yaml", "manifests/50-rayservice.yaml"
BUDGETS, MONITORS = "manifests/40-disruption.yaml", "manifests/60-monitoring.yaml"


class Mistake(NamedTuple):
    """One text of one file of a profile, written wrong.

    Attributes:
        says: The finding: its place and rule, and a part of the sentence or the fix.
    """

    profile: str
    file: str
    right: str
    wrong: str
    says: tuple[str, ...]


MISTAKES = {
    "the GPU taint on a CPU group": Mistake(
        SPOT_GPU,
        SETTINGS,
        "  - name: cpu\n",
        "  - name: cpu\n    taints: [{key: nvidia.com/gpu}]\n",
        ("groups[0].taints[0]: settings-taint", "remove the taint"),
    ),
    "the GPU taint misspelt": Mistake(
        SPOT_GPU,
        SETTINGS,
        "  - name: gpu\n",
        "  - name: gpu\n    taints: [{key: nvidia.com/gpus}]\n",
        ("groups[2].taints[0]: settings-taint", "did you mean nvidia.com/gpu?"),
    ),
    "a taint with an effect that there is not": Mistake(
        SPOT_GPU,
        SETTINGS,
        "  - name: cpu\n",
        "  - name: cpu\n    taints: [{key: team, effect: NoScheduling}]\n",
        ("groups[0].taints[0].effect: bad-value", "did you mean NoSchedule?"),
    ),
    "a GPU pool where no group has a GPU": Mistake(
        CPU_ONLY,
        PLATFORM,
        "            - num_cpus: 1\n",
        "            - {name: gpu, device: gpu, num_gpus: 1, start: always, num_cpus: 1}\n            - num_cpus: 1\n",
        ("groups: gpu-pool-without-group", "add a group whose machine has gpus"),
    ),
    "too few nodes for the fewest replicas": Mistake(
        CPU_ONLY,
        PLATFORM,
        "min_replicas: 2, max_replicas: 16",
        "min_replicas: 70, max_replicas: 80",
        ("groups: groups-too-small", "raise max_nodes"),
    ),
    "too few nodes for the most replicas": Mistake(
        CPU_ONLY,
        PLATFORM,
        "max_replicas: 16",
        "max_replicas: 160",
        ("groups: groups-below-most", "lower max_replicas"),
    ),
    "a pool larger than the largest machine": Mistake(
        CPU_ONLY,
        PLATFORM,
        "- num_cpus: 2\n",
        "- num_cpus: 12\n",
        ("groups: replica-fits-no-group", "12 CPU (a node has 8 CPU at most)", "larger machines"),
    ),
    "a pool with more memory than a node": Mistake(
        CPU_ONLY,
        PLATFORM,
        "memory_bytes: 1500000000",
        "memory_bytes: 150000000000",
        ("groups: replica-fits-no-group", "GiB of memory", "ask for less"),
    ),
    "a custom resource that no group has": Mistake(
        CPU_ONLY,
        PLATFORM,
        "- num_cpus: 2\n",
        "- num_cpus: 2\n              resources: {large: 1}\n",
        ("groups: replica-fits-no-group", "1 large (no node has it)"),
    ),
    "an option of the group inside its machine": Mistake(
        SPOT_GPU,
        SETTINGS,
        "instance_types: [m7i.2xlarge]}",
        "instance_types: [m7i.2xlarge], zones: [eu-central-1a]}",
        ("groups[0].machine.zones: misplaced-key", "move it to groups[0]"),
    ),
    "a misspelt option": Mistake(
        SPOT_GPU,
        SETTINGS,
        "    max_nodes: 6\n",
        "    max_node: 6\n",
        ("groups[0].max_node: unknown-key", "did you mean max_nodes?"),
    ),
    "a name that is too long": Mistake(
        SPOT_GPU,
        SETTINGS,
        "name: headrace\n",
        f"name: headrace-{'x' * 40}\n",
        ("name: bad-value", "shorten it to 47 characters"),
    ),
    "a name in upper case": Mistake(
        SPOT_GPU,
        SETTINGS,
        "name: headrace\n",
        "name: Headrace\n",
        ("name: bad-value",),
    ),
    "spot without an on-demand base": Mistake(
        CPU_ONLY,
        SETTINGS,
        "    min_nodes: 2\n",
        "    min_nodes: 0\n",
        ("settings-contradiction", "add an on-demand group with min_nodes of at least 1"),
    ),
    "spot that comes last": Mistake(
        CPU_ONLY,
        SETTINGS,
        "    priority: 10\n",
        "",
        ("groups[1]: spot-not-first", "give the spot group a priority"),
    ),
    "an operator that does not know priorities": Mistake(
        CPU_ONLY,
        SETTINGS,
        "provider: gke\n",
        "provider: gke\nkuberay_version: 1.6.2\n",
        ("groups[1].priority: settings-version", "install a later version"),
    ),
    "an image of another Ray": Mistake(
        CPU_ONLY,
        SETTINGS,
        "registry.example.com/headrace-cpu:0.1.0",
        "rayproject/ray:2.58.0-py311",
        ("images.cpu: settings-image-version", "make the image's tag and ray_version agree"),
    ),
    "a drain shorter than the slowest SLO": Mistake(
        CPU_ONLY,
        PLATFORM,
        "slo_s: 1.0",
        "slo_s: 45.0",
        ("platform: settings-slo", "set the platform's drain_s to 45 or more"),
    ),
    "pods that end before their replicas": Mistake(
        SPOT_GPU,
        SETTINGS,
        "provider: eks\n",
        "provider: eks\ndrain_s: 10\n",
        ("drain_s: settings-drain", "raise it, or lower drain_s in platform.yaml"),
    ),
    "a model that there is not": Mistake(
        CPU_ONLY,
        PLATFORM,
        "name: minilm\n",
        "name: minilm6\n",
        ("applications[0].args: platform-models", "correct the model's name"),
    ),
    "a key of a model in the wrong place": Mistake(
        CPU_ONLY,
        PLATFORM,
        "        - name: minilm\n",
        "        - name: minilm\n          num_cpus: 2\n",
        ("applications[0].args.models[0].num_cpus: misplaced-key", "move it to applications[0].args.models[0].pools[]"),
    ),
    "an incremental upgrade without a gateway": Mistake(
        SPOT_GPU,
        SETTINGS,
        "provider: eks\n",
        "provider: eks\nupgrade: {strategy: incremental}\n",
        ("upgrade: settings-contradiction", "needs a gateway_class"),
    ),
    "a platform file that is not there": Mistake(
        SPOT_GPU,
        SETTINGS,
        "platform: platform.yaml",
        "platform: plattform.yaml",
        ("platform: platform-file", "correct `platform`"),
    ),
    "two groups of one name": Mistake(
        SPOT_GPU,
        SETTINGS,
        "name: gpu-spot",
        "name: gpu",
        ("settings-contradiction", "group names must differ"),
    ),
    "Redis without its port": Mistake(
        SPOT_GPU,
        SETTINGS,
        "address: managed",
        "address: redis.shop.svc",
        ("redis.address: settings-redis", "write host:port"),
    ),
    "Serve on the loopback address": Mistake(
        CPU_ONLY,
        PLATFORM,
        "host: 0.0.0.0",
        "host: 127.0.0.1",
        ("platform: listens-on-loopback", "set http_options.host to 0.0.0.0"),
    ),
    "a manifest whose group has too few pods": Mistake(
        SPOT_GPU,
        SERVICE,
        "maxReplicas: 6\n",
        "maxReplicas: 1\n",
        ("workerGroupSpecs[0].minReplicas: group-bounds", "set minReplicas to maxReplicas at most"),
    ),
    "a manifest whose GPU pods do not tolerate the taint": Mistake(
        SPOT_GPU,
        SERVICE,
        "key: nvidia.com/gpu\n",
        "key: nvidia.com/gqu\n",
        ("gpu-without-toleration", "add the toleration {key: nvidia.com/gpu"),
    ),
    "a budget that blocks every drain": Mistake(
        SPOT_GPU,
        BUDGETS,
        "minAvailable:",
        "maxUnavailable:",
        ("spec.maxUnavailable: budget-max-unavailable", "use minAvailable with a whole number"),
    ),
    "a monitor of a port that no pod has": Mistake(
        SPOT_GPU,
        MONITORS,
        "port: as-metrics",
        "port: autoscaler",
        ("port: monitor-port", "as-metrics 44217"),
    ),
}


def profile(folder: Path, name: str) -> Path:
    # Dashboards are a hundred times as long as the rest, and no rule reads them.
    shutil.copytree(DEPLOY / name, folder / name, ignore=shutil.ignore_patterns("*dashboards*"))
    shutil.copy(DEPLOY / "local.yaml", folder / "local.yaml")
    return folder / name


@pytest.fixture(scope="module")
def unspoilt(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Finding]]:
    """What is found in the profiles as they are."""
    folder = tmp_path_factory.mktemp("unspoilt")
    return {name: lint([profile(folder, name)]) for name in (SPOT_GPU, ONE_CPU, CPU_ONLY)}


@pytest.mark.parametrize("name", [SPOT_GPU, ONE_CPU, CPU_ONLY])
def test_the_profiles_have_no_errors(name: str, unspoilt: dict[str, list[Finding]]) -> None:
    assert [str(finding) for finding in unspoilt[name] if finding.severity == "error"] == []


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_with_its_place_and_its_fix(
    mistake: Mistake, unspoilt: dict[str, list[Finding]], tmp_path: Path
) -> None:
    folder = profile(tmp_path, mistake.profile)
    text = (folder / mistake.file).read_text()
    assert mistake.right in text
    (folder / mistake.file).write_text(text.replace(mistake.right, mistake.wrong, 1))
    before = {(finding.rule, finding.path) for finding in unspoilt[mistake.profile]}
    new = [str(finding) for finding in lint([folder]) if (finding.rule, finding.path) not in before]
    assert any(all(part in line for part in mistake.says) for line in new), new


def test_there_are_at_least_twenty_mistakes_in_settings() -> None:
    assert sum(mistake.file in (SETTINGS, PLATFORM) for mistake in MISTAKES.values()) >= 20
