"""What a process arranges with the process that started it."""

import ctypes
import signal

_PR_SET_PDEATHSIG = 1  # prctl(2)


def end_with_parent(number: signal.Signals) -> None:
    """Linux: let the kernel send this process a signal when its parent ends, for a parent killed with -9 cannot."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
