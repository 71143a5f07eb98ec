"""Ends the process of a command as soon as its work is done.

Python takes all objects apart at the end of a process. That takes 1.5 s where Beam and torch are
loaded, and the user waits for it. Here threads and exit functions still run, and then the system
takes the memory back as a whole.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable
from typing import NoReturn


def run_and_end(main: Callable[[], int | None]) -> NoReturn:
    """Run a command and end this process with its status, which may also be that of a SystemExit.

    After any other exception, and where SystemExit has a message, Python ends the process itself.
    Exit functions that were registered before this call do not run, so call it first.
    """
    status: list[int] = []

    def leave() -> None:
        if not status:
            return
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:
            return  # a full disk or a closed pipe: Python tells it, and changes the status
        os._exit(status[0])

    # Exit functions run in reverse order, so this one comes after those of what `main` imports.
    atexit.register(leave)
    code: str | int | None
    try:
        code = main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int | None) else str(end.code)
    if code is None or isinstance(code, int):
        status.append(code or 0)
    sys.exit(code)
