"""The wheel: what replicas and the controller import, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.architecture.project import ROOT, sources

SHIPPED = ("serve_app", "models", "autoscaling")

# Scripts that made what is committed; they need scikit-learn and run from a checkout.
FROM_CHECKOUT = {"models.training"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built of a copy: setuptools leaves folders in the place where it builds, and takes old ones from there."""
    place = tmp_path_factory.mktemp("checkout")
    for package in (*SHIPPED, "bench", "kuberay"):
        shutil.copytree(ROOT / package, place / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, place / name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(place / "dist"), str(place)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (place / "dist").glob("*.whl")
    return zipfile.ZipFile(path)


def test_its_top_level_names(wheel: zipfile.ZipFile) -> None:
    top = {name.split("/")[0] for name in wheel.namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == set(SHIPPED)


def test_every_module_is_in_it(wheel: zipfile.ZipFile) -> None:
    """The packages are listed by hand: a new one that is forgotten fails only where it is installed."""
    expected = {path.as_posix() for path in sources(*SHIPPED) if ".".join(path.parent.parts) not in FROM_CHECKOUT}
    assert {name for name in wheel.namelist() if name.endswith(".py")} == expected


def test_the_bundled_models_are_in_it_with_every_file(wheel: zipfile.ZipFile) -> None:
    catalog = ROOT / "models" / "catalog"
    files = {path.relative_to(ROOT).as_posix() for path in catalog.glob("*/*/**/*") if path.is_file()}
    assert len(files) >= 4
    assert files <= set(wheel.namelist())


def test_the_templates_of_pages_are_in_it(wheel: zipfile.ZipFile) -> None:
    templates = {path.relative_to(ROOT).as_posix() for path in (ROOT / "autoscaling").rglob("*.j2")}
    assert templates
    assert templates <= set(wheel.namelist())


def _metadata(wheel: zipfile.ZipFile, name: str) -> str:
    (path,) = [entry for entry in wheel.namelist() if entry.endswith(f".dist-info/{name}")]
    return wheel.read(path).decode()


def test_it_cannot_be_uploaded_by_mistake(wheel: zipfile.ZipFile) -> None:
    assert "Classifier: Private :: Do Not Upload" in _metadata(wheel, "METADATA")


def test_its_command_and_its_subcommands_are_entry_points(wheel: zipfile.ZipFile) -> None:
    entry_points = _metadata(wheel, "entry_points.txt")
    assert "headrace = serve_app.cli:main" in entry_points
    assert "[headrace.commands]" in entry_points


def test_what_is_needed_to_serve_has_lower_bounds_only() -> None:
    """Exact versions are the lock's business: an installer must be able to join this with other packages."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in project["dependencies"]:
        assert ">=" in requirement
        assert "==" not in requirement


def test_every_requirement_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "requirements" / "lock.txt").read_text().lower().splitlines()
    locked = {line.split("==")[0].replace("_", "-") for line in lines if "==" in line}
    for requirement in project["dependencies"]:
        name = requirement.split(">=")[0].split("[")[0].lower().replace("_", "-")
        assert name in locked, f"{name}: run `make lock`"


def _unpacked(wheel: zipfile.ZipFile, folder: Path) -> Path:
    wheel.extractall(folder)
    return folder


def test_it_serves_its_own_models_where_there_is_no_checkout(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    place = _unpacked(wheel, tmp_path)
    code = (
        "import sys, models; assert models.__file__.startswith(sys.argv[1]), models.__file__\n"
        "from serve_app.settings import Settings\n"
        "from serve_app.selection import select_models\n"
        "print(*[f'{model.name}:{len(model.sources)}' for model in select_models(Settings())])\n"
    )
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(place)!r})\n{code}", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["digits:1", "echo:1", "efficientnet_lite0:1", "minilm:1"]
