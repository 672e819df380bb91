"""A socket from one stage's process to the next one's, for what Serve's own calls cost too much for.

Serve places, scales, updates and supervises replicas, and says which there are; the calls between them go straight:
`listener.py` takes them in the replica, `connection.py` makes them, `edge.py` chooses the replica, `frames.py` is the
wire. Where there is no way for a socket, calls go by Serve's handle.
"""
