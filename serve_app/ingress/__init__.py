"""The wire: HTTP in, arrays inside, HTTP out. Knows the protocol, and nothing of where models run.

It reaches the models through `dataplane.Dataplane`, which the router implements.
"""
