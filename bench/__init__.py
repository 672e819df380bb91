"""Measures side by side what `tests` never asserts: speed. `python -m bench --help`.

Runs from the checkout; nothing here is installed with the platform.
"""
