"""What lint knows of the CRDs: its tables are made of them, and it judges a manifest as another reader of them does."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kuberay.lint.schema.digest import digest_crds, written
from tests.kuberay.fake_api.errors import Cause
from tests.kuberay.fake_api.schema import pruned, violations, with_defaults
from tests.unit.kuberay.lint.cases import find_in, service

TABLE = Path(__file__).parents[2] / "kuberay/lint/schema/kuberay.json"
KINDS = ("rayservices", "rayclusters", "rayjobs", "raycronjobs")
STRUCTURAL = {"unknown-key", "misplaced-key", "wrong-type", "missing-key", "null-value", "bad-value", "duplicate-entry"}
STRUCTURAL |= {"crd-condition"}

VALUES = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.sampled_from(["", "8Gi", "v2", "x"])
NAMES = ["name", "maxReplicas", "env", "managedBy", "tolerations", "suspend", "backend", "ports", "nonsense", "mode"]
PARTS = VALUES | st.lists(VALUES, max_size=2) | st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=2)


def crd(folder: Path, kind: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.load((folder / f"ray.io_{kind}.yaml").read_text(), yaml.CSafeLoader)
    return read


Judge = Callable[[Any], tuple[list[str], list[Cause]]]


@pytest.fixture(scope="module")
def judge(crds: Path) -> Judge:
    """Which fields of a RayService's spec are unknown, and what else is refused in it."""
    version = next(one for one in crd(crds, "rayservices")["spec"]["versions"] if one["name"] == "v1")
    schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]

    def judged(spec: Any) -> tuple[list[str], list[Cause]]:
        kept, unknown = pruned(spec, schema, "spec")
        return unknown, violations(with_defaults(kept, schema), None, schema)

    return judged


def test_the_committed_table_is_that_of_the_crds(crds: Path) -> None:
    assert written(digest_crds(crd(crds, kind) for kind in KINDS)) == TABLE.read_text()


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in below for place in places(child, (*path, key)))]


@st.composite
def damaged(draw: st.DrawFn) -> dict[str, Any]:
    """A RayService in whose spec something else stands at one place, is gone, or stands twice."""
    manifest = copy.deepcopy(service())
    manifest["spec"]["serveConfigV2"] = "applications: []"
    path = draw(st.sampled_from([place for place in places(manifest["spec"]) if place]))
    above: Any = manifest["spec"]
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
            above[draw(st.sampled_from(NAMES))] = draw(PARTS)
    return manifest


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(manifest=damaged())
def test_it_finds_fault_with_what_an_api_server_refuses_and_with_nothing_else(
    manifest: dict[str, Any], judge: Judge
) -> None:
    unknown, refused = judge(manifest["spec"])
    found = [finding for finding in find_in([manifest]) if finding.rule in STRUCTURAL]
    assert bool(found) == bool(unknown or refused), (found, unknown, refused)
    # Below a value of a wrong type lint looks no further.
    at = [re.sub(r'\["([^"]+)"\]', r".\1", finding.path) for finding in found]
    assert all(any(path.startswith(above) for above in at) for path in unknown), (at, unknown)
