"""What is to be sent: the two kinds of load, and one process's part of a load."""

from __future__ import annotations

from dataclasses import dataclass

from bench.load.result import Floats


@dataclass(frozen=True, slots=True)
class Closed:
    """As many requests at a time as connections: each is sent when the one before it was answered.

    Attributes:
        num_connections: Keep-alive connections.
        warm_up_s: Requests of this first part are not counted, seconds.
        duration_s: Length of the counted part, seconds.
        use_wrk: Whether wrk sends them; it knows no statuses but good and not. None: where it is installed and the
            bodies are small.
        num_processes: Of our own generator; wrk has one thread.
    """

    num_connections: int
    warm_up_s: float
    duration_s: float
    use_wrk: bool | None = None
    num_processes: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Open:
    """Requests at planned instants, whatever the answers do.

    Attributes:
        arrivals_s: Ascending instants from the start of the load, seconds; the warm-up's are the first of them.
        warm_up_s: Requests planned in this first part are not counted, seconds.
        duration_s: Length of the counted part, seconds; what is planned after it is not sent.
        max_connections: In all; a request that finds them all busy waits, which shows as late sending.
        num_processes: That share the requests. None: one, or two if it takes more than one comfortably sends.
    """

    arrivals_s: Floats
    warm_up_s: float
    duration_s: float
    max_connections: int = 1024
    num_processes: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Share:
    """One process's part of a load.

    Attributes:
        host: Where to send, and the port.
        port: There.
        requests: The bytes of the whole load's requests, sent in turn and from the start again.
        first: Which of the load's requests is this process's first, from 0.
        step: How many of the load's requests lie from one of this process's to its next.
        grace_s: How long after the end an answer is waited for, seconds.
        load: This process's connections or arrivals.
    """

    host: str
    port: int
    requests: tuple[bytes, ...]
    first: int
    step: int
    grace_s: float
    load: Closed | Open
