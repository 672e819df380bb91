"""Tests of what lint knows of Ray's own URIs, against Ray's code."""

from __future__ import annotations

import pytest
from ray._common.runtime_env_uri import Protocol, parse_uri

from kuberay.lint.rules.serve import PROTOCOLS, REMOTE


def test_the_protocols_are_those_of_ray() -> None:
    assert set(PROTOCOLS) == {protocol.value for protocol in Protocol}


@pytest.mark.parametrize(
    "uri", ["HTTP://files/a.zip", "s3://a.zip", "local:///srv/app", "./src", "src", "hdfs://a.zip"]
)
def test_a_uri_is_one_where_ray_finds_it_is(uri: str) -> None:
    try:
        parse_uri(uri)
    except ValueError:
        assert REMOTE.match(uri) is None
    else:
        assert REMOTE.match(uri)
