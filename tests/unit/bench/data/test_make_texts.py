"""What counts as prose, and that it is taken from docstrings whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.data.make_texts import draw, is_prose, paragraphs

MODULE = '''
"""Open the gate slowly.

A rake holds back
wood and leaves.

>>> open_gate(1)
"""

class Gate:
    """A gate holds the flow."""

    def lift(self):
        """lift(height) -> None"""
'''


def test_paragraphs_are_prose_on_one_line_each(tmp_path: Path) -> None:
    (tmp_path / "gate.py").write_text(MODULE)
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "test_gate.py").write_text('"""These are not taken."""')
    found = ["Open the gate slowly.", "A rake holds back wood and leaves.", "A gate holds the flow."]
    assert list(paragraphs(tmp_path)) == found


@pytest.mark.parametrize(
    "text",
    [
        "Two words.",
        "lower case begins this.",
        "It has no end",
        "For example::\n\n",
        "- An item of a list.",
        "x = {} == 1.",
    ],
)
def test_what_is_no_prose_is_left_out(text: str) -> None:
    assert not is_prose(text)


def test_a_draw_depends_on_its_seed_alone() -> None:
    texts = [str(number) for number in range(100)]
    assert draw(texts, 10, 1) == draw(texts, 10, 1) != draw(texts, 10, 2)
