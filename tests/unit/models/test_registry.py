"""Several roots as one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ManifestError, UnknownModel
from models.registry import Registry
from models.repository import Repository
from models.versions import latest, sorted_versions

from .conftest import Write


@pytest.fixture
def two(tmp_path: Path, root: Path) -> tuple[Repository, Repository]:
    other = tmp_path / "other"
    other.mkdir()
    return Repository(str(root), tmp_path / "cache"), Repository(str(other), tmp_path / "cache")


def test_merged_in_order(two: tuple[Repository, Repository], tmp_path: Path, write_version: Write) -> None:
    first, second = two
    write_version("a", "1")
    write_version("a", "2", folder=tmp_path / "other")
    write_version("a", "1", folder=tmp_path / "other")
    write_version("b", "7", folder=tmp_path / "other")
    registry = Registry([first, second])
    assert registry.names() == ["a", "b"]
    assert registry.versions("a") == ["1", "2"]
    assert registry.resolve("a", "1") == (first, "1")
    assert registry.resolve("a", "2") == (second, "2")
    assert registry.resolve("b") == (second, "7")


def test_contradiction(two: tuple[Repository, Repository], tmp_path: Path, write_version: Write) -> None:
    write_version("a", "1")
    write_version("a", "1", folder=tmp_path / "other", batching={"max_rows": 3})
    registry = Registry(two)
    with pytest.raises(ManifestError, match=r"other/a/1: is another model than .*/root/a/1; give one of them a new"):
        registry.versions("a")
    with pytest.raises(ManifestError, match=r"is another model"):
        registry.resolve("a")


def test_references(two: tuple[Repository, Repository], root: Path, write_version: Write) -> None:
    first, _ = two
    for version in ("1", "2", "3"):
        write_version("a", version)
    registry = Registry([first])
    assert registry.resolve("a") == (first, "3")
    (root / "a" / "labels.yaml").write_text("stable: 1\ncanary: 2\n")
    assert registry.labels("a") == {"stable": "1", "canary": "2"}
    assert registry.resolve("a") == (first, "1")
    assert registry.resolve("a", "canary") == (first, "2")
    assert registry.resolve("a", "latest") == (first, "3")
    assert registry.resolve("a", "3") == (first, "3")
    overridden = Registry([first], {"a": {"stable": "2", "blue": "3"}})
    assert overridden.labels("a") == {"stable": "2", "canary": "2", "blue": "3"}
    assert overridden.resolve("a") == (first, "2")


def test_first_root_labels_win(two: tuple[Repository, Repository], tmp_path: Path, write_version: Write) -> None:
    write_version("a", "1")
    write_version("a", "2", folder=tmp_path / "other")
    (tmp_path / "root" / "a" / "labels.yaml").write_text("stable: 2")
    (tmp_path / "other" / "a" / "labels.yaml").write_text("stable: 1\ncanary: 2")
    assert Registry(two).labels("a") == {"stable": "2", "canary": "2"}


def test_unknown(two: tuple[Repository, Repository], root: Path, write_version: Write) -> None:
    write_version("a", "1")
    (root / "a" / "labels.yaml").write_text("stable: 1")
    registry = Registry(two)
    with pytest.raises(UnknownModel, match=r"model 'b' is not served; served models: a"):
        registry.resolve("b", None)
    with pytest.raises(UnknownModel, match=r"model 'a' has no version or label 'blue'; it has: 1, stable"):
        registry.resolve("a", "blue")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"stable": "9"}, r"labels of 'a': 'stable' names version '9'; there is: 1"),
        ({"1": "1"}, r"labels of 'a': '1' is also the name of a version"),
    ],
)
def test_wrong_labels(
    two: tuple[Repository, Repository], write_version: Write, labels: dict[str, str], message: str
) -> None:
    write_version("a", "1")
    registry = Registry(two, {"a": labels})
    with pytest.raises(ManifestError, match=message):
        registry.resolve("a")
    assert registry.resolve("a", "1") == (two[0], "1")


def test_override_of_latest(two: tuple[Repository, Repository]) -> None:
    with pytest.raises(ManifestError, match=r"the labels set for model 'a': 'latest' is the highest version"):
        Registry(two, {"a": {"latest": "1"}})


class Fake:
    """A repository of names only."""

    def __init__(self, versions: set[str], labels: dict[str, str]) -> None:
        self._versions, self._labels = versions, labels

    def models(self) -> list[str]:
        return ["a"] if self._versions else []

    def versions(self, name: str) -> list[str]:
        if not self._versions:
            raise UnknownModel(name, None, ())
        return sorted_versions(self._versions)

    def labels(self, name: str) -> dict[str, str]:
        return self._labels


numbers = st.sets(st.sampled_from(["1", "2", "10", "1.2", "draft"]), min_size=1)


@given(numbers, st.dictionaries(st.sampled_from(["stable", "canary"]), st.integers(0, 4)), st.data())
def test_resolve_gives_what_exists(versions: set[str], picks: dict[str, int], data: st.DataObject) -> None:
    ordered = sorted_versions(versions)
    labels = {label: ordered[pick % len(ordered)] for label, pick in picks.items()}
    repository: Any = Fake(versions, labels)
    registry = Registry([Fake(set(), {}), repository])  # type: ignore[list-item]
    reference = data.draw(st.sampled_from([None, "latest", *ordered, *labels]))
    found, version = registry.resolve("a", reference)
    assert found is repository
    assert version in versions
    if reference in versions:
        assert version == reference
    elif reference in labels:
        assert version == labels[reference]
    elif reference == "latest":
        assert version == latest(versions)
    else:
        assert version == labels.get("stable", latest(versions))
