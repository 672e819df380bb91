"""The environment of `serve run`: which form Serve takes, and what it leaves off the path of a request."""

from __future__ import annotations

from collections.abc import Mapping

from serve_app.launch.errors import CannotServe

FAST_FORM = {"RAY_SERVE_ENABLE_HA_PROXY": "1", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}

# Serve's hook for middleware around the HTTP server of a replica; serve_app/ingress/shortcut.py says what for.
SHORTCUT = {"RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "serve_app.ingress.shortcut:middlewares"}

# For each request HAProxy would send the manager process a line to count it by: 40 us of its CPU, a tenth of all that a
# small request costs. The platform's own metrics count the same requests.
QUIET = {"RAY_SERVE_HAPROXY_METRICS_ENABLED": "0"}

# Of every process: forked tokenisers warn and lose their threads, each replica has its share of the cores; and nothing
# is told to Ray's makers.
PROCESSES = {"TOKENIZERS_PARALLELISM": "false", "RAY_USAGE_STATS_ENABLED": "0"}

# Replicas with a port of their own wait this long before they end, for load balancers to take note: 30 s by default.
# HAProxy does within a second, and a stop took 23 s.
DRAINING = {"RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "2"}

# Ports of HAProxy's own, beside the one that clients use: variable that moves it, and its default.
HAPROXY_PORTS = {"RAY_SERVE_HAPROXY_METRICS_PORT": 9101, "RAY_SERVE_HAPROXY_STATS_PORT": 8404}


def child_environment(environ: Mapping[str, str], plain: bool, serve_times_out: bool = False) -> dict[str, str]:
    """The environment of `serve run`.

    Args:
        environ: This process's; what an operator set in it stays, but for the form.
        plain: Serve's own proxy instead of HAProxy and the throughput-optimised form.
        serve_times_out: The config has a `request_timeout_s` for Serve to keep, which the shortcut would go round.
    """
    child = {name: value for name, value in environ.items() if name not in (*FAST_FORM, "RAY_SERVE_DEFAULT_HTTP_HOST")}
    if not plain:
        child |= FAST_FORM
        child = QUIET | ({} if serve_times_out else SHORTCUT) | child
    child |= PROCESSES
    child["PYTHONUNBUFFERED"] = "1"
    # The log is a file: it is to hold every line at once, without colours, the controller's and replicas' too.
    log = {"RAY_DEDUP_LOGS": "0", "RAY_COLOR_PREFIX": "0", "RAY_SERVE_LOG_TO_STDERR": "1"}
    return DRAINING | log | child


def cluster_environment(serve_times_out: bool = False) -> dict[str, str]:
    """What every process of a Ray cluster needs for Serve to take its fast form there.

    Args:
        serve_times_out: See `child_environment`.
    """
    return FAST_FORM | QUIET | ({} if serve_times_out else SHORTCUT) | PROCESSES | DRAINING


def haproxy_ports(environ: Mapping[str, str]) -> dict[str, int]:
    """Variable to port, of HAProxy's metrics and of its statistics.

    Raises:
        CannotServe: One is set to what is no number.
    """
    ports: dict[str, int] = {}
    for variable, default in HAPROXY_PORTS.items():
        try:
            ports[variable] = int(environ.get(variable, default))
        except ValueError as error:
            raise CannotServe(f"{variable} must be a port, got '{environ[variable]}'") from error
    return ports
