"""The edge between two stages: many callers' requests in, few calls out.

`dispatcher.py` decides what travels together and when; an edge (`edge.py`, `serve_edge.py`) carries it. What runs
together on a device is the batcher's business, not this package's.
"""
