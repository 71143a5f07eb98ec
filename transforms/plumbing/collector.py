"""Pauses Python's collector of cycles while a worker makes many objects that hold no cycle."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """Collect no cycles in this block.

    The collector walks over all objects whenever many have been made. In a block that keeps the
    records of a part it took a third of the time, and had nothing to collect. What is not in a
    cycle is freed at once as ever, and cycles are freed after the block.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
