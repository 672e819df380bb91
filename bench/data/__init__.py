"""What the workloads send, committed, and the seeded script that made it. No code of a measurement."""
