"""The page's commands and the OpenAPI document."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest

from serve_app.ingress.openapi import openapi_document
from serve_app.ingress.page import html_page, predict_command
from serve_app.ingress.protocol import overview
from tests.contract.fake_dataplane import FakeDataplane, FakeModel, served, spec

URL = "http://example.org"


def model(name: str, dataplane: FakeDataplane | None = None) -> dict[str, Any]:
    models = overview(dataplane or FakeDataplane(), "1.2.3")["models"]
    return next(entry for entry in models if entry["name"] == name)


def test_short_data_is_printed() -> None:
    assert predict_command(model("echo"), URL) == (
        f"""curl -s {URL}/predict -d '{{"model_id":"echo","input_data":[0.5,0.5]}}'"""
    )
    assert '"input_data":{"a":[1,1,1,1],"b":[1,1,1,1]}' in predict_command(model("add_sub"), URL)


def test_long_data_is_made_by_the_command() -> None:
    wide = FakeModel(served("wide", [spec("x", "UINT8", -1, 224, 224, 3)], [spec("y", "FP32", -1)]), dict)
    command = predict_command(model("wide", FakeDataplane({"wide": wide})), URL)
    assert len(command) < 300
    document = re.search(r"json\.dumps\((.*)\)\)' \|", command)
    assert document
    value = eval(document.group(1), {})
    assert len(value["input_data"]["x"]) == 224
    assert len(value["input_data"]["x"][0][0]) == 3


def test_half_precision_is_not_offered_as_json() -> None:
    assert "curl" not in predict_command(model("identity_FP16"), URL)


def test_names_are_escaped() -> None:
    odd = FakeModel(served("<i>", [spec("<x>", "FP32", -1)], [spec("y", "FP32", -1)]), dict)
    page = html_page(overview(FakeDataplane({"<i>": odd}), "<v>"), URL)
    for tag in ("<i>", "<x>", "<v>"):
        assert tag not in page


def test_no_model_is_served() -> None:
    class Empty(FakeDataplane):
        def model_names(self) -> tuple[str, ...]:
            return ()

    empty = overview(Empty({}), "1")
    assert "No model is served" in html_page(empty, URL)
    assert openapi_document(empty, URL)["paths"]


def test_every_reference_of_the_openapi_document_exists() -> None:
    document = openapi_document(overview(FakeDataplane(), "1"), URL)
    references = re.findall(r'"#/components/schemas/(\w+)"', orjson.dumps(document).decode())
    assert references
    assert set(references) <= set(document["components"]["schemas"])


@pytest.mark.parametrize("path", ["/predict", "/v2", "/v2/models/{model}/versions/{version}/infer"])
def test_paths_are_described(path: str) -> None:
    assert path in openapi_document(overview(FakeDataplane(), "1"), URL)["paths"]
