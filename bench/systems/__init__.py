"""What is measured: how each system is started, how it is asked, and what it costs while it runs."""
