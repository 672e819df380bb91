"""Prices and requirements as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoscaling.optimize.inputs import InputError, read_prices
from tests.unit.autoscaling.optimize.building import GIB, group, profile

EXAMPLE = Path(__file__).parents[4] / "docs" / "examples" / "prices.yaml"


def test_the_example_is_read() -> None:
    prices = read_prices(EXAMPLE)
    assert [one.name for one in prices.groups] == ["cpu-4", "cpu-16", "gpu-a"]
    assert prices.workloads["minilm"].profiles["gpu"].num_gpus == 0.5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("groups: []", "groups: Tuple should have at least 1 item"),
        ("groups: [{name: a, num_cpus: 4, memory_bytes: 1, price: 2}]", "groups.0.price_per_hour: Field required"),
        ("groups: [{name: a, num_cpus: 4, memory_bytes: 1, price: 2}]", "groups.0.price: unknown key"),
        ("groups: [", "is not YAML"),
        ("groups: 2026-13-45", "is not YAML"),
        ("groups: [{name: a, num_cpus: 4, memory_bytes: 1, num_gpus: 0.5, price_per_hour: 2}]", "groups.0.num_gpus: "),
        (
            "groups: [{name: a, num_cpus: 4, memory_bytes: 1, price_per_hour: 2, spot: {price_per_hour: 1}}, "
            "{name: A.spot, num_cpus: 4, memory_bytes: 1, price_per_hour: 2}]",
            "differ as labels in a cluster, too; rename one of ['a-spot']",
        ),
        ("groups: [{name: Headgroup, num_cpus: 4, memory_bytes: 1, price_per_hour: 2}]", "['headgroup']"),
        ("- 1", "as a whole: "),
    ],
)
def test_what_is_wrong_is_named_by_its_key(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"prices\.yaml: ") as caught:
        read_prices(path)
    assert said in str(caught.value)


def test_a_file_that_is_not_there_is_an_error_of_inputs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_prices(tmp_path / "gone.yaml")


@pytest.mark.parametrize(
    ("name", "label"),
    [("c5.xlarge", "c5-xlarge"), ("GPU A10G", "gpu-a10g"), ("4 CPUs", "nodes-4-cpus"), ("é", "nodes"), ("_", "nodes")],
)
def test_names_become_labels_of_a_cluster(name: str, label: str) -> None:
    assert group(name).label("on-demand") == label
    assert group(name).label("spot") == f"{label}-spot"


def test_the_scarcest_resource_says_how_many_replicas_fit() -> None:
    assert group().num_fitting(profile(num_cpus=1.0)) == 4
    assert group().num_fitting(profile(num_cpus=0.1, memory_bytes=5 * GIB)) == 3
    assert group().num_fitting(profile(num_gpus=0.5)) == 0
    assert group(num_cpus=1).num_fitting(profile(num_cpus=0.1)) == 10
    assert group().price_of(profile()) == pytest.approx(0.05)
