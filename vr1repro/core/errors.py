"""The one exception that a user is meant to read."""


class UserError(Exception):
    """Bad input, named so that the user can mend it.

    The message is one sentence or two: the file (and line) or key, what is wrong, and the fix. `vr1repro.cli` prints it
    without a traceback and exits with status 2.
    """
