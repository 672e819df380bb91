"""Which deployment answers a request, when, and whether it is still worth it."""
