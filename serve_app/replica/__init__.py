"""A loaded model version and its batcher: first a plain object (`host.py`), then a thin Serve shell around it."""
