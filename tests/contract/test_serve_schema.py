"""The facts of Serve's config that `kuberay.lint` has are those of the installed Ray."""

from __future__ import annotations

from pathlib import Path

from ray.serve.schema import ServeDeploySchema

from kuberay.lint.schema.digest import digest_serve, written

DIGEST = Path(__file__).parents[2] / "kuberay/lint/schema/serve.json"


def test_the_committed_digest_is_that_of_serve() -> None:
    assert written(digest_serve(ServeDeploySchema.model_json_schema())) == DIGEST.read_text()
