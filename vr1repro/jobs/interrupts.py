"""What a person reads when the workflow is stopped by Ctrl-C, or finds its folder locked.

Snakemake reports each job that Ctrl-C ended as an error of its rule, and advises `--unlock` whoever holds the lock.
Here a stopped start ends with one line, and a second one is told of `vr1repro recover`, which looks who is at work.
"""

import atexit
import logging
import signal
import sys
from types import FrameType
from typing import Any

STOPPED = "stopped by Ctrl-C; what is finished stays: run the same command again to go on"
_LOCKED = "Directory cannot be locked"
_ADVICE = (
    "another snakemake is at work in this folder, or one was killed: `vr1repro recover` says which, and unlocks the"
    " folder after a killed one; or start this one in another clone"
)


class Interrupts(logging.Filter):
    """Drops what Snakemake says of jobs that end because of Ctrl-C, and mends its advice on locks."""

    def __init__(self) -> None:
        super().__init__()
        self.pressed = False

    def press(self, number: int, frame: FrameType | None) -> None:
        """Note that Ctrl-C was pressed, and go on as Python does."""
        self.pressed = True
        signal.default_int_handler(number, frame)

    def say_goodbye(self) -> None:
        """End with one line, if Ctrl-C was pressed; Snakemake's own last words were dropped."""
        if self.pressed:
            print(STOPPED, file=sys.stderr)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether Snakemake's record is shown."""
        if self.pressed and record.levelno >= logging.ERROR:
            return False
        if _LOCKED in str(record.msg):
            record.msg, record.args = f"Error: directory locked: {_ADVICE}", ()
        return True


def begin(workflow: Any) -> None:
    """Look after the messages of a head process; called while it reads the workflow, before it locks the folder.

    Args:
        workflow: Snakemake's. Jobs on a cluster read the workflow too, and nobody presses Ctrl-C there.
    """
    from snakemake.logging import logger

    if workflow.remote_exec:
        return
    interrupts = Interrupts()
    logger.addFilter(interrupts)
    signal.signal(signal.SIGINT, interrupts.press)
    atexit.register(interrupts.say_goodbye)
