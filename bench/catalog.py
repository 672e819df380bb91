"""Every system that there is to measure, by name."""

from __future__ import annotations

from bench.raw_loop import RawLoop
from bench.systems.headrace import headrace, headrace_bf16, headrace_by_serve, headrace_in_router, headrace_many
from bench.systems.peers import peer_systems
from bench.systems.plain_serve import plain_serve_systems
from bench.systems.system import System


def all_systems() -> dict[str, System]:
    """Name to system: Headrace in its placements and sizes, plain Ray Serve, the peers, the raw loop."""
    sizes = [headrace(num_routers=number) for number in (2, 4)] + [headrace_many(number) for number in (2, 4, 8)]
    systems: list[System] = [
        headrace(),
        headrace_in_router(),
        headrace_by_serve(),
        headrace_bf16(),
        *sizes,
        *plain_serve_systems(),
        *peer_systems(),
        RawLoop(),
    ]
    return {system.name: system for system in systems}
