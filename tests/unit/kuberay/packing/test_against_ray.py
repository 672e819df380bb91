"""Tests of `kuberay.packing.autoscaler` and `.start` against Ray's own code, without a cluster."""

from __future__ import annotations

import uuid
import warnings
from collections import Counter
from random import Random

from kuberay.packing.autoscaler import nodes_to_launch
from kuberay.packing.node import Node
from kuberay.packing.quantity import SCALE, Demand, Group
from tests.unit.kuberay.packing.random_demands import draw

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from ray._raylet import IMPLICIT_RESOURCE_PREFIX
    from ray.autoscaler.v2.instance_manager.config import NodeTypeConfig
    from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
    from ray.autoscaler.v2.schema import AutoscalerInstance
    from ray.autoscaler.v2.utils import ResourceRequestUtil
    from ray.core.generated.autoscaler_pb2 import NodeState
    from ray.core.generated.instance_manager_pb2 import Instance, NodeKind


def ray_name(resource: str) -> str:
    """The limit of replicas on a node is a resource that Ray gives every node."""
    return IMPLICIT_RESOURCE_PREFIX + resource if resource.startswith("replicas of ") else resource


def as_instance(node: Node) -> AutoscalerInstance:
    return AutoscalerInstance(
        cloud_instance_id=uuid.uuid4().hex,
        ray_node=NodeState(
            total_resources={name: float(amount) for name, amount in node.group.has.items()},
            available_resources={ray_name(name): amount / SCALE for name, amount in node.free.items()},
        ),
        im_instance=Instance(
            instance_id=uuid.uuid4().hex,
            instance_type=node.group.name,
            status=Instance.RAY_RUNNING,
            node_kind=NodeKind.WORKER,
        ),
    )


def ray_launches(nodes: list[Node], waiting: list[Demand], groups: list[Group]) -> Counter[str]:
    requests = [
        ResourceRequestUtil.make({ray_name(name): amount / SCALE for name, amount in demand.fixed_asks.items()})
        for demand in waiting
    ]
    reply = ResourceDemandScheduler().schedule(
        SchedulingRequest(
            disable_launch_config_check=True,
            node_type_configs={
                group.name: NodeTypeConfig(
                    name=group.name,
                    min_worker_nodes=group.min_nodes,
                    max_worker_nodes=group.max_nodes,
                    priority=group.priority,
                    resources={name: float(amount) for name, amount in group.has.items()},
                )
                for group in groups
            },
            resource_requests=ResourceRequestUtil.group_by_count(requests),
            current_instances=[as_instance(node) for node in nodes],
        )
    )
    return Counter({launch.instance_type: launch.count for launch in reply.to_launch})


def test_the_autoscaler_of_ray_asks_for_the_same_nodes() -> None:
    random, num_launching = Random(3), 0
    for _ in range(1000):
        demands, groups = draw(random, max_replicas=6, max_nodes=4)
        nodes = [Node(group) for group in groups for _ in range(random.randint(group.min_nodes, group.max_nodes))]
        waiting = []
        for demand in random.sample(demands, len(demands)):
            for _ in range(demand.max_replicas):
                fitting = [node for node in nodes if node.fits(demand)]
                if fitting and random.random() < 0.7:
                    random.choice(fitting).place(demand)
                else:
                    waiting.append(demand)
        ours = Counter(group.name for group in nodes_to_launch(nodes, waiting, groups))
        assert ours == ray_launches(nodes, waiting, groups), (demands, groups)
        num_launching += bool(ours)
    assert num_launching > 200
