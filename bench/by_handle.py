"""Loads that come from inside Python, by Serve handle: from a process that joins the system's Ray instance."""

from __future__ import annotations

import math
import os

from bench.load.ceiling import Ceiling
from bench.load.figures import BIN_S, load_result
from bench.load.handle import HandleShare
from bench.load.plan import Closed, Open
from bench.load.processes import GeneratorFailed, OnCounted, run_processes
from bench.load.result import LoadResult
from bench.load.run import GRACE_S
from bench.scenario import Scenario
from bench.systems.running import Running, SystemFailed, clean_environment
from bench.systems.system import CalledByHandle, System

GENERATOR = "handle"

HANDLE_CEILING = Ceiling(GENERATOR, "closed", 1, math.inf, 0.0)
"""A client is part of what is measured, so its rate has no other limit than its process's CPU time."""

# A Ray instance that `serve run` started wants its user's token. A client that is given an address, instead of finding
# the instance by itself, does not look for one unless told.
_TOKEN = {"RAY_AUTH_MODE": "token"}


def can_send(system: System, scenario: Scenario) -> bool:
    """Whether a system is called as a scenario calls."""
    return not scenario.by_handle or isinstance(system, CalledByHandle)


def run_by_handle(live: Running, scenario: Scenario, load: Closed | Open, on_counted: OnCounted) -> LoadResult:
    """Send a load by handle and wait for its end.

    Its process is none of the system's: it has neither the system's mark nor a parent in it.

    Args:
        live: A system that `can_send` accepts.
        scenario: Names the workload, and the latency that a good answer keeps.
        load: What is sent, when.
        on_counted: Called in this thread as the counted part starts and ends.

    Raises:
        SystemFailed: There is no Ray instance among its processes, or a handle to it does not answer.
    """
    assert isinstance(live.system, CalledByHandle)
    client = live.system.handle_client()
    address = live.family.argument("--gcs-address")
    if address is None:
        raise SystemFailed(live.system.name, "none of its processes is of a Ray instance")
    share = HandleShare(client.make_call, address, scenario.workload, GRACE_S, load)
    environment = clean_environment({**_TOKEN, **client.environment}, os.environ)
    try:
        record = run_processes([share], on_counted, environment)
    except GeneratorFailed as error:
        raise SystemFailed(live.system.name, f"by handle, {error}") from error
    return load_result(record, GENERATOR, scenario.slo_s, BIN_S if isinstance(load, Open) else None)
