"""Manifests from files, in order and in one namespace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kuberay.cluster.errors import NotDone
from kuberay.cluster.manifests import Manifests, arrange, read_documents, reference, selector
from kuberay.cluster.settings_source import is_settings, rendered

DEPLOY = Path(__file__).parents[4] / "deploy"


def item(kind: str, name: str = "a", **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, **metadata}}


def arranged(*items: dict[str, Any], namespace: str | None = None) -> Manifests:
    return arrange(items, namespace, frozenset({"Namespace"}), fallback="default")


def test_what_is_referred_to_goes_first_and_the_service_last() -> None:
    kinds = ("PodMonitor", "RayService", "ConfigMap", "Namespace", "Secret", "ServiceAccount")
    found = arranged(*map(item, kinds))
    order = ["Namespace", "ServiceAccount", "Secret", "ConfigMap", "PodMonitor", "RayService"]
    assert [one["kind"] for one in found.items] == order
    assert found.name == "a"


def test_everything_is_marked_as_ours() -> None:
    found = arranged(item("RayService", "svc"), item("Secret", labels={"a": "b", "app.kubernetes.io/part-of": "x"}))
    marks = dict(pair.split("=") for pair in selector("svc").split(","))
    assert all(marks.items() <= one["metadata"]["labels"].items() for one in found.items)
    assert found.items[0]["metadata"]["labels"]["a"] == "b"


def test_namespaces() -> None:
    found = arranged(item("RayService"), item("Secret", namespace="own"), item("Namespace", "own"))
    assert [reference(one).namespace for one in found.items] == ["", "own", "default"]
    assert arranged(item("RayService"), namespace="chosen").namespace == "chosen"
    with pytest.raises(NotDone, match="Secret a is of namespace own, not chosen"):
        arranged(item("RayService"), item("Secret", namespace="own"), namespace="chosen")


@pytest.mark.parametrize("services", [[], ["a", "b"]])
def test_one_service(services: list[str]) -> None:
    with pytest.raises(NotDone, match="there must be one RayService"):
        arranged(*(item("RayService", name) for name in services))


def test_no_object_twice() -> None:
    with pytest.raises(NotDone, match="Secret b comes twice"):
        arranged(item("RayService"), item("Secret", "b"), item("Secret", "b"))


def test_files_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("{apiVersion: v1, kind: B, metadata: {name: b}}\n---\n---\n")
    listed = "{apiVersion: v1, kind: A, metadata: {name: a}}"
    (tmp_path / "a.yml").write_text(f"{{apiVersion: v1, kind: List, items: [{listed}]}}")
    assert [found["kind"] for found in read_documents(tmp_path)] == ["A", "B"]


@pytest.mark.parametrize("text", ["a: [", "just words", "{apiVersion: v1, kind: A}", "{kind: A, metadata: {name: a}}"])
def test_files_that_hold_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(NotDone, match=r"a\.yaml"):
        read_documents(tmp_path)


def test_every_file_that_cannot_be_read_is_named_with_the_line(tmp_path: Path) -> None:
    good = "{apiVersion: v1, kind: A, metadata: {name: a}}\n---\n"
    (tmp_path / "a.yaml").write_text(f"{good}kind: A\nsince: !!timestamp 2026-13-45\n")
    (tmp_path / "b.yaml").write_text(f"{good}{{kind: B}}")
    (tmp_path / "c.yaml").write_bytes(b"\xff")
    with pytest.raises(NotDone) as told:
        read_documents(tmp_path)
    first, second, third = str(told.value).splitlines()
    assert first == f"{tmp_path}/a.yaml:4: month must be in 1..12"
    assert second.startswith(f"{tmp_path}/b.yaml:2: a document has no")
    assert third.startswith(f"{tmp_path}/c.yaml: ")


def test_dates_are_text_as_they_are_to_the_server(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("{apiVersion: v1, kind: A, metadata: {name: a}, from: 2026-13-45, to: 2026-11-27}")
    (found,) = read_documents(tmp_path)
    assert (found["from"], found["to"]) == ("2026-13-45", "2026-11-27")


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(NotDone, match=r"holds no \.yaml file"):
        read_documents(tmp_path)


@pytest.mark.parametrize("path", sorted(DEPLOY.glob("*/cluster.yaml")), ids=lambda path: path.parent.name)
def test_settings_are_rendered_to_what_is_committed(path: Path) -> None:
    assert is_settings(path)
    assert not is_settings(path.parent / "manifests")
    assert not is_settings(path.parent / "manifests" / "50-rayservice.yaml")
    found, committed = arranged(*rendered(path)), arranged(*read_documents(path.parent / "manifests"))
    assert found == committed
