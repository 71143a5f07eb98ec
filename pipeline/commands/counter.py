"""Shows on a terminal how far a command is."""

from __future__ import annotations

import sys
from collections.abc import Callable


def counter(unit: str) -> Callable[[int, int], None]:
    """A function that shows "DONE of TOTAL units" on stderr; it shows nothing without a terminal.

    The line is written over at each call, and ends when all is done.
    """
    if not sys.stderr.isatty():
        return _show_nothing

    def show(done: int, total: int) -> None:
        end = "\n" if done >= total else ""
        sys.stderr.write(f"\r{done:,} of {total:,} {unit}{end}")

    return show


def _show_nothing(done: int, total: int) -> None:
    pass
