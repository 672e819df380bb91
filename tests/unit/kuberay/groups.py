"""Random node groups for properties."""

from __future__ import annotations

from hypothesis import strategies as st

from kuberay.settings import Machine, NodeGroup, Taint

NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)
TYPES = st.sampled_from(["m7i.2xlarge", "g5.2xlarge"])
TAINTS = st.builds(
    Taint,
    key=st.sampled_from(["team", "example.com/only", "nvidia.com/gpu"]),
    value=st.none() | st.sampled_from(["a", "b"]),
    effect=st.sampled_from(["NoSchedule", "PreferNoSchedule", "NoExecute"]),
)


@st.composite
def node_groups(draw: st.DrawFn) -> NodeGroup:
    """One group: any market, with and without GPUs, labels and taints of its own."""
    max_nodes = draw(st.integers(1, 20))
    return NodeGroup(
        name=draw(NAMES),
        machine=Machine(
            cpus=8,
            memory_bytes=32 * 2**30,
            gpus=draw(st.integers(0, 2)),
            instance_types=tuple(
                draw(st.lists(st.sampled_from(["m7i.2xlarge", "g5.2xlarge"]), min_size=1, unique=True))
            ),
        ),
        market=draw(st.sampled_from(["on-demand", "spot"])),
        min_nodes=draw(st.integers(0, max_nodes)),
        max_nodes=max_nodes,
        zones=tuple(draw(st.lists(st.sampled_from(["eu-central-1a", "eu-central-1b"]), unique=True))),
        labels=draw(st.dictionaries(st.sampled_from(["team", "disk"]), st.sampled_from(["x", "y"]))),
        taints=tuple(draw(st.lists(TAINTS, max_size=3))),
    )
