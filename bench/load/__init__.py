"""Load: when requests are sent, how they are sent, and what is known of each. It knows nothing of what it loads."""
