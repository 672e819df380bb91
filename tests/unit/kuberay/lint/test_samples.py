"""Manifests as KubeRay's own samples are written: nothing in them is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from kuberay.lint.document import read_documents
from kuberay.lint.finding import Finding
from kuberay.lint.run import find, lint

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.yaml"))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_good_sample_has_no_error(path: Path) -> None:
    assert [str(finding) for finding in lint([path]) if finding.severity == "error"] == []


def test_a_template_whose_metadata_is_null_is_one() -> None:
    """As in a sample of upstream's, which the API server refuses."""
    path = next(path for path in SAMPLES if path.stem == "service-llm-gpu")
    text = path.read_text().replace("        spec:\n          containers:\n          - name: ray-worker", "@", 1)
    assert "@" in text
    spoilt = text.replace("@", "        metadata:\n        spec:\n          containers:\n          - name: ray-worker")
    found = [finding.rule for finding in lint_text(spoilt) if finding.severity == "error"]
    assert found == ["null-value"]


def lint_text(text: str) -> list[Finding]:
    return find(read_documents(text, "sample.yaml"))
