"""Tests of `kuberay.images`."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from kuberay.command import app
from kuberay.images.retag import RetagError, retag_text, with_tag
from kuberay.settings import Images, load_cluster_settings

PROFILE = Path(__file__).parents[4] / "deploy" / "eks-cpu-gpu-spot" / "cluster.yaml"
REGISTRY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("headrace-cpu:0.1.0", "headrace-cpu:abc"),
        ("headrace-cpu", "headrace-cpu:abc"),
        ("registry.example.com:5000/team/headrace", "registry.example.com:5000/team/headrace:abc"),
        ("registry.example.com:5000/headrace:1@sha256:00ff", "registry.example.com:5000/headrace:abc"),
    ],
)
def test_a_tag_takes_the_place_of_tag_and_digest(image: str, expected: str) -> None:
    assert with_tag(image, "abc") == expected


@pytest.mark.parametrize("tag", ["", "a b", "a/b", "-a", "x" * 129, "a:b"])
def test_what_is_no_tag_is_refused(tag: str) -> None:
    with pytest.raises(RetagError, match="is no tag"):
        with_tag("headrace", tag)


def test_only_whole_images_change_in_the_text() -> None:
    text = (
        "# headrace:1 runs\nplatform: p.yaml\nimages: {cpu: headrace:1, gpu: 'headrace:1-cuda'} # of headrace:1.5\n"
        "environment: {OTHER: team/headrace:1}\n"
    )
    assert retag_text(text, Images(cpu="headrace:1", gpu="headrace:1-cuda"), "2") == (
        "# headrace:2 runs\nplatform: p.yaml\nimages: {cpu: headrace:2, gpu: 'headrace:2'} # of headrace:1.5\n"
        "environment: {OTHER: team/headrace:1}\n"
    )


def test_an_image_that_is_not_found_in_the_text_is_said() -> None:
    with pytest.raises(RetagError, match="write it in one piece"):
        retag_text('images: {cpu: "head\\\n  race:1"}\n', Images(cpu="headrace:1"), "2")


def test_the_command_shows_and_writes(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(PROFILE.read_text())
    shown = CliRunner().invoke(app, ["images", str(path), "--tag", "abc", "--variant", "gpu"])
    assert (shown.exit_code, shown.output) == (0, f"{REGISTRY}/headrace-gpu:abc\n")
    assert path.read_text() == PROFILE.read_text()
    written = CliRunner().invoke(app, ["images", str(path), "--tag", "abc", "--write"])
    assert written.output.splitlines() == [f"{REGISTRY}/headrace-cpu:abc", f"{REGISTRY}/headrace-gpu:abc"]
    assert path.read_text() == PROFILE.read_text().replace(":0.1.0", ":abc")
    before = load_cluster_settings(PROFILE).model_dump(exclude={"images"})
    assert load_cluster_settings(path).model_dump(exclude={"images"}) == before


def test_what_is_wrong_ends_it(tmp_path: Path) -> None:
    for arguments, code, says in (
        ([str(tmp_path / "none.yaml")], 1, "none.yaml"),
        ([str(PROFILE), "--tag", "a b"], 1, "is no tag"),
        ([str(PROFILE), "--write"], 2, "--tag"),
    ):
        result = CliRunner().invoke(app, ["images", *arguments], env={"COLUMNS": "200", "TERM": "dumb"})
        assert result.exit_code == code
        assert says in result.stderr
