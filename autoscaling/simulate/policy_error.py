"""What is wrong with a policy; a file of its own, since some policies need Ray and most do not."""

from __future__ import annotations


class PolicyError(ValueError):
    """A policy cannot be had, or failed in a simulation; says which and why."""
