"""The servers that Headrace is measured against, each a small script that runs in that peer's own environment.

What belongs here: the shared model code, one server a peer, their requirements, and the model in a loop without any
server. What does not: how the bench starts and asks them (`bench.systems`). Nothing here imports Ray, and a server
imports nothing of the platform but `models`, the pure transforms of `serve_app.preprocessing` and
`serve_app.replica.lifecycle`.

Each server's docstring says how it is configured and why. The figures in them are requests per second of single runs of
4 s, on a machine of two cores that others used too, at 64 connections (16 for images and tensors), with one model
process of two torch threads: good for a choice between two ways, not for a comparison of peers. For the compute-bound
workloads all run two processes of one thread each: Headrace's own replicas were 1.3 times as fast in that form as one
of two threads (MiniLM, 216 against 162 to 174 requests/s side by side), the model in a loop 1.05 to 1.1 times.
"""
