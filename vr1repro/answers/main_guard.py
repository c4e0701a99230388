"""Refusing to start processes from a script that would run again in each of them.

A process of a fork server or a new interpreter imports the script that is running, for functions may be defined there.
Without `if __name__ == "__main__":` that runs the script once more, and its pool with it.
"""

import ast
import inspect
import sys
from pathlib import Path
from types import FrameType

from vr1repro.core.errors import UserError


def refuse_unguarded_script() -> None:
    """Refuse to go on where the caller is a script's top level outside of `if __name__ == "__main__":`.

    Raises:
        UserError: It is; the message names file and line.
    """
    frame = _script_frame()
    if frame is None:
        return
    path, line = Path(frame.f_globals["__file__"]), frame.f_lineno
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):  # not read from a file, which a new process could not import either
        raise UserError(_message(str(path), None)) from None
    guards = [node for node in ast.walk(tree) if isinstance(node, ast.If) and _names_name(node.test)]
    if not any(guard.lineno <= line <= (guard.end_lineno or 0) for guard in guards):
        raise UserError(_message(str(path), line))


def _script_frame() -> FrameType | None:
    """The frame of the running script's top level, where it is below this call and was read from a file."""
    main = sys.modules["__main__"]
    frame = inspect.currentframe()
    while frame is not None:
        # `__mp_main__`: what a new process calls the script while it imports it.
        running = frame.f_globals is vars(main) or frame.f_globals.get("__name__") == "__mp_main__"
        if frame.f_code.co_name == "<module>" and running:
            return frame if frame.f_globals.get("__file__") else None
        frame = frame.f_back
    return None


def _names_name(test: ast.expr) -> bool:
    return any(isinstance(part, ast.Name) and part.id == "__name__" for part in ast.walk(test))


def _message(script: str, line: int | None) -> str:
    place = script if line is None else f"{script}:{line}"
    return (
        f"{place}: starts grading processes at its top level, and each of them would run the script again; put what it"
        ' does into a file, under `if __name__ == "__main__":`'
    )
