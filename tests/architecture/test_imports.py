"""Imports point down, and Ray stays in the thin shells: the contracts of pyproject.toml."""

from __future__ import annotations

import sys
import tomllib

import pytest
from importlinter import api
from importlinter.application.use_cases import lint_imports

from tests.architecture.project import PACKAGES, ROOT, sources

CONFIGURATION = ROOT / "pyproject.toml"


def test_the_contracts_hold(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(str(ROOT))
    kept = lint_imports(str(CONFIGURATION), cache_dir=None, no_logo=True)
    assert kept, capsys.readouterr().out


def test_every_package_is_under_contract() -> None:
    """A package that is not a root is not looked at, and imports what it likes."""
    options = api.read_configuration(str(CONFIGURATION))
    assert set(options["session_options"]["root_packages"]) == set(PACKAGES)
    (layers,) = [contract for contract in options["contracts_options"] if contract["type"] == "layers"]
    listed = {name.strip() for layer in layers["layers"] for name in layer.split("|")}
    assert listed == set(PACKAGES)


def test_only_files_that_exist_may_import_ray() -> None:
    """A name that is left over is a door that nobody watches."""
    options = tomllib.loads(CONFIGURATION.read_text())["tool"]["importlinter"]["contracts"]
    (contract,) = [one for one in options if one["id"] == "ray"]
    modules = {".".join(path.with_suffix("").parts) for path in sources()}
    for entry in contract["ignore_imports"]:
        importer = entry.split(" -> ")[0]
        if "*" not in importer:
            assert importer in modules, entry


@pytest.mark.parametrize("package", PACKAGES)
def test_no_folder_of_a_package_is_without_its_init(package: str) -> None:
    """import-linter and setuptools pass over it in silence."""
    folders = {path.parent for path in sources(package)}
    assert [str(folder) for folder in folders if not (ROOT / folder / "__init__.py").is_file()] == []


def test_the_project_s_packages_are_those_of_the_checkout() -> None:
    """An installed copy of an older state would be tested instead."""
    for package in PACKAGES:
        module = sys.modules.get(package) or __import__(package)
        assert module.__file__ is not None
        assert module.__file__.startswith(str(ROOT / package))
