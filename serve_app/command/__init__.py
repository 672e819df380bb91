"""The subcommands of `headrace`, and what a person or a program reads of them.

Starting the platform is the job of `launch`.
"""
