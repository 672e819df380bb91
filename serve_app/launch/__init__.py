"""Starts the platform as a child of this process, says how it comes up, and leaves nothing behind."""
