"""The command line's commands. A module here that has an `app` adds the commands of it; nothing else lists them.

A command imports what it needs when it runs, so that `--help` is quick.
"""
