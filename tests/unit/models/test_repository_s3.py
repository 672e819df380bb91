"""A root in S3: moto's server on loopback."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import s3fs
from moto.server import ThreadedMotoServer

from models.errors import FileError, UnknownModel
from models.repository import Repository

from .conftest import Write, sha256, upload

CONTENT = b"weights" * 300_000


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def options(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    return {"key": "test", "secret": "test", "endpoint_url": endpoint}


@pytest.fixture
def bucket(options: dict[str, object], root: Path, write_version: Write) -> str:
    write_version("a", "2", {"w.bin": CONTENT})
    write_version("a", "10")
    (root / "a" / "labels.yaml").write_text("stable: 2")
    storage = s3fs.S3FileSystem(**options)
    if not storage.exists("zoo"):
        storage.mkdir("zoo")
    upload(storage, root, "zoo/models")
    return "s3://zoo/models"


def test_s3(bucket: str, options: dict[str, object], tmp_path: Path) -> None:
    repository = Repository(bucket, tmp_path / "cache", options)
    assert repository.models() == ["a"]
    assert repository.versions("a") == ["2", "10"]
    assert repository.labels("a") == {"stable": "2"}
    manifest = repository.manifest("a", "2")
    # Fetchers at the same time: each gets the right file.
    with ThreadPoolExecutor(4) as pool:
        fetched = list(pool.map(lambda _: repository.fetch(manifest), range(8)))
    blob = tmp_path / "cache" / "blobs" / sha256(CONTENT)
    assert fetched == [{"w.bin": blob}] * 8
    assert blob.read_bytes() == CONTENT
    with pytest.raises(UnknownModel):
        repository.versions("b")
    with pytest.raises(UnknownModel):
        repository.manifest("a", "3")
    assert repository.labels("b") == {}

    storage = s3fs.S3FileSystem(**options)
    storage.pipe_file("zoo/models/a/2/w.bin", b"other")
    assert repository.fetch(manifest) == {"w.bin": blob}
    blob.write_bytes(CONTENT[:-1])
    with pytest.raises(FileError, match=r"s3://zoo/models/a/2/w.bin: its content differs from the manifest's"):
        repository.fetch(manifest)
    storage.rm_file("zoo/models/a/2/w.bin")
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(FileError, match=r"s3://zoo/models/a/2/w.bin: does not exist"):
        repository.fetch(manifest)


def test_configured_by_the_environment(
    bucket: str, endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As a deployment does it: no options, the storage's own variables."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    assert Repository(bucket, tmp_path / "cache").versions("a") == ["2", "10"]


def test_new_version_is_seen(bucket: str, options: dict[str, object], root: Path, tmp_path: Path) -> None:
    repository = Repository(bucket, tmp_path / "cache", options)
    assert repository.versions("a") == ["2", "10"]
    storage = s3fs.S3FileSystem(**options, skip_instance_cache=True)
    storage.pipe_file("zoo/models/a/11/model.yaml", b"")
    assert repository.versions("a") == ["2", "10", "11"]
    storage.rm_file("zoo/models/a/11/model.yaml")


def test_no_credentials(endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    repository = Repository("s3://zoo/models", tmp_path / "cache", {"endpoint_url": endpoint, "anon": False})
    with pytest.raises(FileError, match=r"no credentials for s3://: give the replicas"):
        repository.models()


def test_no_server(tmp_path: Path) -> None:
    options = {
        "key": "test",
        "secret": "test",
        "endpoint_url": "http://127.0.0.1:9",
        "config_kwargs": {"retries": {"max_attempts": 0}},
    }
    repository = Repository("s3://zoo/models", tmp_path / "cache", options)
    with pytest.raises(FileError, match=r"s3://zoo/models: the storage does not answer; check the network"):
        repository.models()
