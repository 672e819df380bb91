"""Tests of `kuberay.lint.yaml_text`: manifests are read as the API server reads them, settings as PyYAML does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kuberay.lint.document import read_documents
from kuberay.lint.run import find, lint
from kuberay.lint.yaml_text import parse
from tests.unit.kuberay.lint.cases import as_yaml, service
from tests.unit.kuberay.lint.rules.test_cluster_settings import CLUSTER, SERVE

# By go-yaml's own tables and tests: a bare word and its value.
BARE: dict[str, Any] = {
    "1e-5": 1e-5,
    "1E3": 1000.0,
    "08": 8.0,
    "+.5": 0.5,
    "1_0.5": 10.5,
    "2.60": 2.6,
    "0o17": 15,
    "017": 15,
    "0x1F": 31,
    "0b11": 3,
    "1_000": 1000,
    "-1": -1,
    "y": True,
    "N": False,
    "on": True,
    "~": None,
    "12:30": "12:30",
    "1:30:00.5": "1:30:00.5",
    "2024-01-01": "2024-01-01",
    "=": "=",
    "2.60.0": "2.60.0",
    "yy": "yy",
    "1e": "1e",
    ".": ".",
    "500m": "500m",
}


@pytest.mark.parametrize("word", BARE)
def test_a_bare_word_is_what_it_is_to_the_api_server(word: str) -> None:
    (parsed,) = parse(f"kind: {word}\nplain: a\n")
    assert parsed.value["kind"] == BARE[word]
    assert type(parsed.value["kind"]) is type(BARE[word])


@pytest.mark.parametrize(("value", "rules"), [("1e-5", {"wrong-type"}), ("y", {"wrong-type"}), ("12:30", set())])
def test_a_variable_that_is_no_text_there_is_found(value: str, rules: set[str]) -> None:
    text = as_yaml([service()])
    assert text.count("value: info\n") == 3
    found = find(read_documents(text.replace("value: info\n", f"value: {value}\n", 1), "f"))
    assert {finding.rule for finding in found} == rules


def test_a_variable_of_settings_is_what_it_is_to_pyyaml(tmp_path: Path) -> None:
    (tmp_path / "platform.yaml").write_text(yaml.safe_dump(SERVE))
    (tmp_path / "cluster.yaml").write_text(yaml.safe_dump(CLUSTER) + "environment: {RATE: 1e-5, CONFIRM: y}\n")
    assert lint([tmp_path]) == []
    (tmp_path / "cluster.yaml").write_text(yaml.safe_dump(CLUSTER) + "environment: {TIME: 12:30}\n")
    assert {finding.rule for finding in lint([tmp_path])} == {"wrong-type"}
