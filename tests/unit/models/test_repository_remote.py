"""Roots behind fsspec: the cache of copies, and what storage errors say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest

from models import blobs
from models.errors import FileError, LoadError, UnknownModel
from models.manifest import Manifest
from models.repository import Repository

from .conftest import ECHO, Write, sha256, upload

CONTENT = b"weights" * 1000


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def repository(root: Path, cache: Path) -> Repository:
    return Repository(str(root), cache)


def entry(uri: str, content: bytes = CONTENT) -> dict[str, Any]:
    return {"files": {"a": {"uri": uri, "sha256": sha256(content)}}}


class TestMemory:
    """A remote root, on fsspec's file system in memory."""

    @pytest.fixture
    def remote(self, root: Path, cache: Path, write_version: Write) -> Repository:
        write_version("a", "1", {"w.bin": CONTENT})
        (root / "a" / "labels.yaml").write_text("stable: 1")
        memory = fsspec.filesystem("memory")
        memory.store.clear()
        upload(memory, root, "/zoo")
        return Repository("memory://zoo/", cache)

    def test_everything(self, remote: Repository, cache: Path) -> None:
        assert remote.models() == ["a"]
        assert remote.versions("a") == ["1"]
        assert remote.labels("a") == {"stable": "1"}
        files = remote.fetch(remote.manifest("a", "1"))
        assert files == {"w.bin": cache / "blobs" / sha256(CONTENT)}
        assert files["w.bin"].read_bytes() == CONTENT
        with pytest.raises(UnknownModel):
            remote.manifest("a", "2")

    def test_second_time_is_from_the_cache(self, remote: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        manifest = remote.manifest("a", "1")
        first = remote.fetch(manifest)
        monkeypatch.setattr(fsspec.filesystem("memory"), "open", lambda *_: pytest.fail("fetched again"))
        assert remote.fetch(manifest) == first

    @pytest.mark.parametrize("damage", [b"short", b"x" * len(CONTENT)])
    def test_damaged_copy_is_fetched_again(
        self, remote: Repository, caplog: pytest.LogCaptureFixture, damage: bytes
    ) -> None:
        manifest = remote.manifest("a", "1")
        blob = remote.fetch(manifest)["w.bin"]
        blob.write_bytes(damage)
        assert remote.fetch(manifest)["w.bin"].read_bytes() == CONTENT
        assert "fetching again" in caplog.text

    def test_wrong_content_leaves_nothing(self, remote: Repository, cache: Path) -> None:
        manifest = remote.manifest("a", "1")
        fsspec.filesystem("memory").pipe_file("/zoo/a/1/w.bin", b"other")
        with pytest.raises(FileError, match=r"memory://zoo/a/1/w.bin: its content differs"):
            remote.fetch(manifest)
        assert [path.suffix for path in (cache / "blobs").iterdir()] == [".lock"]

    def test_left_over_of_a_killed_process_is_removed(self, remote: Repository, cache: Path) -> None:
        (cache / "blobs").mkdir(parents=True)
        part = cache / "blobs" / f"{sha256(CONTENT)}.x.part"
        part.write_bytes(b"half")
        remote.fetch(remote.manifest("a", "1"))
        assert not part.exists()

    def test_progress_of_a_long_copy(
        self, remote: Repository, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(blobs, "PROGRESS_INTERVAL_S", 0.0)
        caplog.set_level("INFO")
        remote.fetch(remote.manifest("a", "1"))
        assert "fetching memory://zoo/a/1/w.bin: 0 of 0 MB" in caplog.text

    def test_missing_file(self, remote: Repository) -> None:
        manifest = remote.manifest("a", "1")
        fsspec.filesystem("memory").rm_file("/zoo/a/1/w.bin")
        with pytest.raises(FileError, match=r"memory://zoo/a/1/w.bin: does not exist"):
            remote.fetch(manifest)

    def test_cache_in_the_way(self, remote: Repository, cache: Path) -> None:
        cache.write_text("a file")
        with pytest.raises(FileError, match=r"cannot be copied to the cache folder"):
            remote.fetch(remote.manifest("a", "1"))

    def test_file_by_url_from_a_local_root(
        self, remote: Repository, repository: Repository, write_version: Write
    ) -> None:
        write_version("b", "1", **entry("memory://zoo/a/1/w.bin"))
        assert repository.fetch(repository.manifest("b", "1"))["a"].read_bytes() == CONTENT


def no_credentials() -> Exception:
    return type("NoCredentialsError", (Exception,), {})("Unable to locate credentials")


def no_network() -> Exception:
    return type("EndpointConnectionError", (Exception,), {})("Could not connect")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (no_credentials, "no credentials for memory://: give the replicas"),
        (no_network, "the storage does not answer; check the network and the endpoint"),
        (lambda: PermissionError("Access Denied"), "may not be read; check its permissions"),
        (lambda: RuntimeError("odd"), "cannot be read: RuntimeError: odd"),
    ],
)
def test_storage_errors(
    error: Callable[[], Exception], message: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error()

    repository = Repository("memory://failing", cache)
    for method in ("glob", "cat_file", "size"):
        monkeypatch.setattr(fsspec.filesystem("memory"), method, fail)
    manifest = Manifest.model_validate({"name": "a", "version": "1", **ECHO, **entry("w.bin")})
    for action in (repository.models, lambda: repository.manifest("a", "1"), lambda: repository.fetch(manifest)):
        with pytest.raises(LoadError, match=f"memory://failing.*: {message}"):
            action()


def test_unknown_protocol(cache: Path) -> None:
    with pytest.raises(FileError, match=r"unknown protocol 'gopher'; use a local folder, package://"):
        Repository("gopher://zoo", cache)


def test_protocol_without_its_package(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "url_to_fs", missing)
    with pytest.raises(FileError, match=r"s3:// needs a package that is not installed: pip install 's3fs'"):
        Repository("s3://zoo", cache)
    with pytest.raises(FileError, match=r"gs:// needs a package that is not installed: Install s3fs"):
        Repository("gs://zoo", cache)
