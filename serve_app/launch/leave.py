"""Takes this machine's node out of its Ray cluster: what a pod does before it ends.

    tell Ray that the node goes -> Serve starts replicas elsewhere and ends those here -> the raylet ends -> done
                                                                     the time is up -> `ray stop`

A raylet that is only stopped takes the requests of its replicas with it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

import psutil

RAY = (sys.executable, "-m", "ray.scripts.scripts")
_TELL_LIMIT_S = 10.0


class CannotLeave(Exception):
    """There is no node here that could leave."""


def main() -> None:
    """Leave within the time that is given on the command line."""
    parser = argparse.ArgumentParser(prog="python -m serve_app.launch.leave", description=__doc__.splitlines()[0])
    parser.add_argument("--within-s", type=float, required=True, help="for the replicas to go elsewhere")
    parser.add_argument("--stop-s", type=float, default=5.0, help="after that, for Ray's processes to end")
    parser.add_argument("--address", default=os.environ.get("RAY_ADDRESS", ""), help="of the cluster; $RAY_ADDRESS")
    arguments = parser.parse_args()
    try:
        left = leave(find_raylet(), arguments.address, arguments.within_s)
    except CannotLeave as error:
        print(error, flush=True)
        return
    if not left:
        subprocess.run([*RAY, "stop", "--grace-period", str(int(arguments.stop_s))], check=False)


def find_raylet() -> psutil.Process:
    """The raylet of this machine, or of this container.

    Raises:
        CannotLeave: There is none (the autoscaler took the node out before its pod), or there are several.
    """
    found = [process for process in psutil.process_iter(["name"]) if process.info["name"] == "raylet"]
    if len(found) != 1:
        raise CannotLeave(f"{len(found)} raylets run here, so nothing is to be done")
    return found[0]


def leave(raylet: psutil.Process, address: str, within_s: float) -> bool:
    """Have a node drained, and wait until it has ended.

    Args:
        raylet: Its process.
        address: Of its cluster.
        within_s: By then its replicas must be gone, seconds. Serve stops them early enough to end what they have begun.

    Returns:
        Whether the raylet has ended.
    """
    started_s = time.monotonic()
    command = [
        *RAY, "drain-node", "--address", address, "--node-id", node_id(raylet.cmdline()),
        "--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "its pod ends",
        "--deadline-remaining-seconds", str(int(within_s)),
    ]  # fmt: skip
    try:
        subprocess.run(command, check=True, timeout=min(_TELL_LIMIT_S, within_s))
    except (subprocess.SubprocessError, OSError) as error:
        print(f"the cluster was not told, so nothing moves: {error}", flush=True)
        return False
    try:
        raylet.wait(max(0.0, within_s - (time.monotonic() - started_s)))
    except psutil.TimeoutExpired:
        return False
    return True


def node_id(command: list[str]) -> str:
    """The id of a node, from its raylet's command.

    Raises:
        CannotLeave: It is not in it.
    """
    for part in command:
        name, _, value = part.partition("=")
        if name == "--node_id":
            return value
    raise CannotLeave("the raylet's command names no --node_id")


if __name__ == "__main__":
    main()
