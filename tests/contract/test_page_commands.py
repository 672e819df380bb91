"""The commands that the page offers, run as a person would run them."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")


def test_every_command_works(client: httpx.Client, tmp_path: Path, jpeg: bytes) -> None:
    (tmp_path / "photo.jpg").write_bytes(jpeg)
    commands = [html.unescape(text) for text in re.findall(r"<pre>(.*?)</pre>", client.get("/").text, re.DOTALL)]
    models = client.get("/", headers={"accept": "application/json"}).json()["models"]
    broken = [f'"{model["name"]}"' for model in models if not model["ready"]] + ["fails_"]
    commands = [text for text in commands if not text.startswith("#") and not any(name in text for name in broken)]
    assert commands
    for command in commands:
        done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        answer = json.loads(done.stdout)
        assert "prediction" in answer or '"lies"' in command, (command, answer)
