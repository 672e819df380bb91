"""The images that cluster settings name: shown, and given another tag when a new one was built."""
