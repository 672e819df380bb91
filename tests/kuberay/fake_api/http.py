"""The wire: paths and query parameters to calls, objects and refusals to JSON, watches to lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit

import yaml

from tests.kuberay.fake_api.api import Api
from tests.kuberay.fake_api.calls import Call
from tests.kuberay.fake_api.discovery import discovered
from tests.kuberay.fake_api.errors import ApiError, Object, bad_request
from tests.kuberay.fake_api.watch import WatchOptions, watched

Gate = Callable[[str, Call], ApiError | None]
"""A verb and a call -> why it is refused before it begins, or None."""

_METHODS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


class Server(ThreadingHTTPServer):
    """The listening socket, a thread for each connection.

    Args:
        api: What answers.
        gates: Each is asked before a request is done.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, api: Api, gates: list[Gate]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.api = api
        self.gates = gates
        self.is_open = True
        self.pace: Callable[[], None] | None = None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize: ClassVar[int] = -1  # Head and body in one write; a watch flushes for itself.
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_PATCH(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Tests print what they want to print."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        path = [unquote(part) for part in url.path.split("/") if part]
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        try:
            self._dispatch(path, query, body)
        except ApiError as error:
            self._send(error.code, error.status())

    def _dispatch(self, path: list[str], query: dict[str, str], body: bytes) -> None:
        api = self.server.api
        if path in (["healthz"], ["readyz"], ["livez"]):
            self._send(200, "ok")
        elif self.command == "GET" and (document := discovered(path, api.kinds())) is not None:
            self._send(200, document)
        else:
            call = replace(
                call_of(api, path, query),
                content_type=(self.headers.get("Content-Type") or "application/json").partition(";")[0],
            )
            call = replace(call, manager=self._manager(call, query))
            verb = verb_of(self.command, call, query)
            for gate in self.server.gates:
                if error := gate(verb, call):
                    raise error
            if verb == "watch":
                self._stream(call, query)
            else:
                self._do(verb, call, _read(body))

    def _manager(self, call: Call, query: dict[str, str]) -> str:
        """An apply must say who applies; any other write is its client's."""
        if call.content_type.startswith("application/apply-patch"):
            return query.get("fieldManager", "")
        return query.get("fieldManager") or (self.headers.get("User-Agent") or "unknown").partition("/")[0]

    def _do(self, verb: str, call: Call, body: Any) -> None:
        api, code = self.server.api, 200
        match verb:
            case "get":
                result = api.get(call)
            case "list":
                result = api.list(call)
            case "create":
                result, code = api.create(call, body), 201
            case "update":
                result = api.replace(call, body)
            case "patch":
                existed = api.store.get(call.key) is not None
                result = api.patch(call, body)
                code = 200 if existed else 201
            case "delete":
                result = api.delete(_with_options(call, body), body or {})
            case _:
                result = api.delete_collection(_with_options(call, body), body or {})
        self._send(code, result, call.warnings)

    def _send(self, code: int, body: Any, warnings: list[str] | None = None) -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/plain" if isinstance(body, str) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        for warning in warnings or []:
            self.send_header("Warning", f"299 - {json.dumps(warning)}")
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def _stream(self, call: Call, query: dict[str, str]) -> None:
        """A watch: a chunk for each event. It ends with its time, with the server, or with the client."""
        options = WatchOptions(
            since=query.get("resourceVersion", ""),
            timeout_s=float(query.get("timeoutSeconds") or 300),
            wants_bookmarks=query.get("allowWatchBookmarks", "").lower() == "true",
            wants_initial=query.get("sendInitialEvents", "").lower() == "true",
        )
        lines = watched(self.server.api, call, options, lambda: self.server.is_open, self.server.pace)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            self._write_chunks(lines)
        except OSError:
            self.close_connection = True

    def _write_chunks(self, lines: Iterator[Object]) -> None:
        self.wfile.flush()
        for event in lines:
            data = json.dumps(event).encode() + b"\n"
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()


def call_of(api: Api, path: list[str], query: dict[str, str]) -> Call:
    """The call that a path and its query stand for.

    Raises:
        ApiError: 404, nothing lies under that path.
    """
    group, version, rest = "", "", path
    match path:
        case ["api", version, *rest]:
            pass
        case ["apis", group, version, *rest]:
            pass
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces" and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    if not rest:
        raise ApiError(404, "NotFound", "the server could not find the requested resource")
    kind = api.kind(group, version, rest[0])
    name, subresource = ([*rest[1:], "", ""])[:2]
    if subresource not in ("", "status") or (subresource and not kind.has_status):
        raise ApiError(404, "NotFound", "the server could not find the requested resource")
    if query.get("dryRun", "All") != "All":
        raise bad_request(f"invalid dryRun: {query['dryRun']}")
    return Call(
        kind,
        namespace,
        name,
        subresource,
        is_dry_run="dryRun" in query,
        is_forced=query.get("force", "").lower() == "true",
        validation=query.get("fieldValidation") or "Warn",
        label_selector=query.get("labelSelector", ""),
        field_selector=query.get("fieldSelector", ""),
    )


def verb_of(method: str, call: Call, query: dict[str, str]) -> str:
    """The verb as RBAC knows it."""
    if method == "GET":
        if query.get("watch", "").lower() in ("true", "1"):
            return "watch"
        return "get" if call.name else "list"
    if method == "DELETE":
        return "delete" if call.name else "deletecollection"
    return _METHODS[method]


def _read(body: bytes) -> Any:
    """JSON, or YAML as an apply may be."""
    try:
        return yaml.safe_load(body) if body[:1] not in (b"", b"{", b"[") else json.loads(body or b"null")
    except (ValueError, yaml.YAMLError) as error:
        raise bad_request(f"error decoding the body: {error}") from error


def _with_options(call: Call, options: Object | None) -> Call:
    return replace(call, is_dry_run=call.is_dry_run or bool((options or {}).get("dryRun")))
