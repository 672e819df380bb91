"""What cannot be rendered."""

from __future__ import annotations


class RenderError(Exception):
    """The settings are valid one by one, but give no cluster that works; the sentence says why and what to do."""
