"""Everything that runs inside Ray Serve: ingress, router, dispatch, preprocessing, batching, replicas.

`app.py` is the composition root. What a model *is* belongs in `models`; how many replicas it gets is decided in
`autoscaling`.
"""
