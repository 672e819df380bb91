"""What people read first: the HTML page at `/`, made from `protocol.overview`.

It carries its own style, loads nothing, and fits a phone.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import orjson

# Longer example data is made by the command itself instead of being printed.
_MAX_EXAMPLE_CHARS = 200

_STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--ok:#1a7f37;--bad:#b35900}
body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:0 auto;padding:1rem}
h1{margin:.5rem 0}h2{margin:0;font-size:1.2rem;overflow-wrap:anywhere}
section{border:1px solid var(--line);border-radius:.5rem;padding:1rem;margin:1rem 0}
.state{font-size:.85rem;font-weight:600}.ready{color:var(--ok)}.not{color:var(--bad)}
table{border-collapse:collapse;width:100%;font-size:.9rem}td,th{text-align:left;padding:.2rem .5rem .2rem 0}
pre{background:var(--soft);padding:.75rem;border-radius:.4rem;overflow-x:auto;user-select:all;font-size:.85rem}
code,td{overflow-wrap:anywhere}
"""


def html_page(overview: Mapping[str, Any], base_url: str) -> str:
    """The page at `/`.

    Args:
        overview: What `protocol.overview` gives.
        base_url: Where the caller reached this application, without a slash at the end.
    """
    models = "".join(_model_section(model, base_url) for model in overview["models"]) or "<p>No model is served.</p>"
    links = " · ".join(
        f'<a href="{escape(base_url)}{path}">{path}</a>' for path in ("/v2/models", "/metrics", "/openapi.json")
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Headrace</title><style>{_STYLE}</style></head><body><h1>Headrace</h1>"
        f"<p>Version {escape(overview['version'])}. Models are called with the Open Inference Protocol v2 "
        f"or with <code>POST /predict</code>. {links}</p>{models}</body></html>"
    )


def _model_section(model: Mapping[str, Any], base_url: str) -> str:
    name = escape(model["name"])
    state = '<span class="state ready">ready</span>'
    if not model["ready"]:
        state = f'<span class="state not">not ready: {escape(model["reason"] or "loading")}</span>'
    if "inputs" not in model:
        return f"<section><h2>{name}</h2>{state}</section>"
    description = escape(model["properties"].get("description", ""))
    versions = escape(", ".join(model["versions"]))
    rows = _tensor_rows("input", model["inputs"]) + _tensor_rows("output", model["outputs"])
    return (
        f"<section><h2>{name}</h2>{state}<p>{description}</p><p>Versions: {versions}</p>"
        f"<table><tr><th></th><th>name</th><th>datatype</th><th>shape</th></tr>{rows}</table>"
        f"<pre>{escape(predict_command(model, base_url))}</pre></section>"
    )


def _tensor_rows(kind: str, tensors: list[dict[str, Any]]) -> str:
    return "".join(
        f"<tr><td>{kind}</td><td>{escape(t['name'])}</td><td>{t['datatype']}</td><td>{list(t['shape'])}</td></tr>"
        for t in tensors
    )


def predict_command(model: Mapping[str, Any], base_url: str) -> str:
    """A shell command that calls the model with one row of example data."""
    if any(tensor["datatype"] in ("FP16", "BF16") for tensor in model["inputs"]):
        return "# FP16 and BF16 have no JSON form: call this model with a client that sends binary tensors"
    url = f"{base_url}/predict"
    encoded = set(model["encoded_inputs"])
    if any(tensor["name"] in encoded for tensor in model["inputs"]):
        head = f'{{"model_id": "{model["name"]}", "input_data": "'
        parts = f"printf '{head}'; base64 < photo.jpg | tr -d '\\n'; printf '\"}}'"
        return f"{{ {parts}; }} | curl -s {url} -d @-"
    values = {tensor["name"]: _example(tensor) for tensor in model["inputs"]}
    data = values if len(values) > 1 else next(iter(values.values()))
    body = orjson.dumps({"model_id": model["name"], "input_data": data}).decode()
    if len(body) <= _MAX_EXAMPLE_CHARS:
        return f"curl -s {url} -d '{body}'"
    values_in_python = ", ".join(f'"{tensor["name"]}": {_python_example(tensor)}' for tensor in model["inputs"])
    document = f'{{"model_id": "{model["name"]}", "input_data": {{{values_in_python}}}}}'
    return f"python3 -c 'import json; print(json.dumps({document}))' | curl -s {url} -d @-"


def _example(tensor: Mapping[str, Any]) -> Any:
    value = _element(tensor["datatype"])
    for size in reversed(tensor["shape"][1:]):
        value = [value] * (2 if size == -1 else size)
    return value


def _python_example(tensor: Mapping[str, Any]) -> str:
    """The same value as `_example`, as a Python expression that is short whatever the shape."""
    text = repr(_element(tensor["datatype"])).replace("'", '"')
    for size in reversed(tensor["shape"][1:]):
        text = f"[{text}] * {2 if size == -1 else size}"
    return text


def _element(datatype: str) -> Any:
    if datatype.startswith(("FP", "BF")):
        return 0.5
    return {"BYTES": "a sentence", "BOOL": True}.get(datatype, 1)
