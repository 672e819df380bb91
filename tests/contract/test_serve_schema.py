"""What `kuberay.lint` knows of Serve's config is what the installed Ray holds: the table, and what is refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from ray.serve.schema import ServeDeploySchema

from kuberay.lint.schema.digest import digest_serve, written
from tests.unit.kuberay.lint.cases import find_in, serve

DIGEST = Path(__file__).parents[2] / "kuberay/lint/schema/serve.json"

TEXTS = st.sampled_from(
    ["", "auto", "default", "/", "/a/", "a", "a:b", ":b", "a:b:c", "HeadOnly", "DEBUG", "s3://b/a.zip"]
)
VALUES = st.none() | st.booleans() | st.integers(-2, 200) | st.floats(-2, 2) | TEXTS
NAMES = st.sampled_from(
    sorted(
        {"name", "host", "port", "num_replicas", "max_queued_requests", "max_replicas_per_node", "logging_config"}
        | {"external_scaler_enabled", "placement_group_bundles", "gang_scheduling_config", "log_level", "runtime_env"}
        | {"working_dir", "num_cpus", "rolling_update_percentage", "min_replicas", "target_capacity", "nonsense"}
    )
)
PARTS = VALUES | st.lists(VALUES, max_size=2) | st.dictionaries(NAMES, VALUES, max_size=2)


def test_the_committed_digest_is_that_of_serve() -> None:
    assert written(digest_serve(ServeDeploySchema.model_json_schema())) == DIGEST.read_text()


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in below for place in places(child, (*path, key)))]


@st.composite
def damaged(draw: st.DrawFn) -> dict[str, Any]:
    """A Serve config in which something else stands at one or two places, is gone, or stands beside."""
    config = serve()
    config["applications"][0]["runtime_env"] = {"working_dir": "s3://bucket/code.zip"}
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from([place for place in places(config) if place]))
        above: Any = config
        for key in path[:-1]:
            above = above[key]
        match draw(st.sampled_from(["other", "gone", "beside"])):
            case "other":
                above[path[-1]] = draw(PARTS)
            case "gone":
                del above[path[-1]]
            case _ if isinstance(above, list):
                above.append(copy.deepcopy(above[path[-1]]))
            case _:
                above[draw(NAMES)] = draw(PARTS)
    return config


def refusal(config: dict[str, Any]) -> str | None:
    try:
        ServeDeploySchema.model_validate(copy.deepcopy(config))
    # Some of its checks stumble over values of another type, which is a refusal as well.
    except (ValidationError, TypeError, AttributeError) as error:
        return str(error)
    return None


@settings(max_examples=150, deadline=None)
@given(damaged())
def test_what_serve_refuses_is_found(config: dict[str, Any]) -> None:
    why = refusal(config)
    # A file of nothing is no document.
    if why is not None and config:
        assert [one for one in find_in([config]) if one.severity == "error"], (why, config)
