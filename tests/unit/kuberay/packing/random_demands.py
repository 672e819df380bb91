"""Random demands and groups, small enough for brute force."""

from __future__ import annotations

from random import Random

from kuberay.packing.quantity import Demand, Group

GPU_SHARES = (0.25, 0.3, 0.5, 0.6, 1.0, 1.5, 2.0)


def draw_demand(random: Random, name: str, max_replicas: int) -> Demand:
    """One deployment with at least one thing that it asks for."""
    asks = {"CPU": random.choice((0.05, 0.5, 1, 2, 3))}
    if random.random() < 0.5:
        asks["GPU"] = random.choice(GPU_SHARES)
    if random.random() < 0.4:
        asks["memory"] = random.choice((1, 2, 4)) * 2**30
    if random.random() < 0.2:
        asks["pool"] = random.choice((0.5, 1))
    largest = random.randint(1, max_replicas)
    return Demand(name, asks, random.randint(0, largest), largest, random.choice((None, None, None, 1, 2)))


def draw_group(random: Random, name: str, max_nodes: int) -> Group:
    """One group, with or without GPUs."""
    has = {"CPU": random.choice((2, 4, 8)), "memory": random.choice((4, 8)) * 2**30}
    if random.random() < 0.6:
        has["GPU"] = random.choice((1, 1, 2))
    if random.random() < 0.3:
        has["pool"] = random.choice((1, 2))
    most = random.randint(1, max_nodes)
    return Group(name, has, random.randint(0, most), most, random.choice((0.0, 1.0, 2.5)), random.choice((0, 0, 10)))


def draw(random: Random, max_replicas: int = 4, max_nodes: int = 2) -> tuple[list[Demand], list[Group]]:
    """One to three deployments on one or two groups."""
    demands = [draw_demand(random, f"w{index}", max_replicas) for index in range(random.randint(1, 3))]
    groups = [draw_group(random, f"g{index}", max_nodes) for index in range(random.randint(1, 2))]
    return demands, groups
