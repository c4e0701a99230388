"""The exceptions that a user is meant to read."""

from typing import ClassVar


class UserError(Exception):
    """Bad input, named so that the user can mend it.

    The message is one sentence or two: the file (and line) or key, what is wrong, and the fix. `vr1repro.cli` prints it
    without a traceback and exits with `status`.
    """

    status: ClassVar[int] = 2


class BadResponses(UserError):
    """Saved responses that no score can be made of: the command was right, what the file holds is not."""

    status: ClassVar[int] = 1
