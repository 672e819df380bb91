"""Which path names what."""

from __future__ import annotations

import pytest

from serve_app.ingress.protocol import NOTHING, Route, find_route, relative_path


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("", Route("page")),
        ("/", Route("page")),
        ("/v2", Route("server")),
        ("/v2/", Route("server")),
        ("/v2/health/live", Route("server_live")),
        ("/v2/health/ready/", Route("server_ready")),
        ("/v2/models", Route("models")),
        ("/v2/models/", Route("models")),
        ("/v2/models/m", Route("model", "m")),
        ("/v2/models/m/", Route("model", "m")),
        ("/v2/models/m/ready", Route("model_ready", "m")),
        ("/v2/models/m/infer", Route("infer", "m")),
        ("/v2/models/m/infer/", Route("infer", "m")),
        ("/v2/models/m/versions/2", Route("model", "m", "2")),
        ("/v2/models/m/versions/canary/ready", Route("model_ready", "m", "canary")),
        ("/v2/models/m/versions/2/infer", Route("infer", "m", "2")),
        ("/v2/models/versions/versions/versions/infer", Route("infer", "versions", "versions")),
        ("/v2/models/with space.and-ü/infer", Route("infer", "with space.and-ü")),
        ("/v2/models/m/versions", NOTHING),
        ("/v2/models/m/versions/", NOTHING),
        ("/v2/models/m/versions//infer", NOTHING),
        ("/v2/models//infer", NOTHING),
        ("/v2/models/m/infer/more", NOTHING),
        ("/v2/models/m/other", NOTHING),
        ("/v2models", NOTHING),
        ("v2", NOTHING),
        ("/V2", NOTHING),
        ("//", NOTHING),
        ("/v2/models/" + "m" * 1000 + "/infer", Route("infer", "m" * 1000)),
    ],
)
def test_routes(path: str, route: Route) -> None:
    assert find_route(path) == route


@pytest.mark.parametrize(
    ("path", "root", "relative"),
    [
        ("/v2", "", "/v2"),
        ("/app/v2", "/app", "/v2"),
        ("/v2", "/app", "/v2"),
        ("/app", "/app", ""),
        ("/application", "/app", "/application"),
        ("/app/", "/app", "/"),
    ],
)
def test_paths_are_relative_to_the_root(path: str, root: str, relative: str) -> None:
    assert relative_path(path, root) == relative
