"""Which requests run together on the device, and when. Pure asyncio and numpy: no Ray, no torch, no wire.

`batcher` runs the loop, `window` decides what the next batch holds, `work` is the queue behind it, `collate` moves the
rows, `answer` gathers a request's parts, `faults` says who failed, `latency` learns what a batch costs, `stats` counts.
How a model runs belongs in `replica`; how many replicas there are, in `autoscaling`.
"""
