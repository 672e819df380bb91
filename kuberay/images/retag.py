"""Other tags for the images of a cluster file, which otherwise stays as it was written, comments included: pure."""

from __future__ import annotations

import re

import yaml

from kuberay.settings import Images

_TAG = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")


class RetagError(Exception):
    """A tag cannot be put in; the sentence says why."""


def with_tag(image: str, tag: str) -> str:
    """The same image under another tag; a digest, which would win over it, goes.

    Raises:
        RetagError: That is no tag.
    """
    if not _TAG.match(tag):
        raise RetagError(f"'{tag}' is no tag of an image: letters, digits, _ . and -, 128 at most")
    name = image.partition("@")[0]
    path, slash, last = name.rpartition("/")
    return f"{path}{slash}{last.partition(':')[0]}:{tag}"


def retag(images: Images, tag: str) -> Images:
    """All images under one tag, as one commit builds them.

    Raises:
        RetagError: That is no tag.
    """
    gpu = None if images.gpu is None else with_tag(images.gpu, tag)
    return images.model_copy(update={"cpu": with_tag(images.cpu, tag), "gpu": gpu})


def retag_text(text: str, images: Images, tag: str) -> str:
    """Put a tag into a cluster file's text.

    Args:
        text: Of the file.
        images: As the file has them.

    Raises:
        RetagError: That is no tag, or the file writes an image in a way that is not found again.
    """
    new = retag(images, tag)
    for before, after in ((images.cpu, new.cpu), (images.gpu, new.gpu)):
        if before is not None and after is not None:
            # A whole value: a longer one may begin in the same way.
            text = re.sub(rf"(?<![\w./:@-]){re.escape(before)}(?![\w./:@-])", after, text)
    found = Images.model_validate(yaml.safe_load(text)["images"])
    if found != new:
        raise RetagError(f"images: {images.cpu} is not written out in the file; write it in one piece")
    return text
