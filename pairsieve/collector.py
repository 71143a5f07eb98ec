"""Pauses Python's collector of cycles while many objects are made that hold no cycle, or stay.

The collector walks over all objects whenever many have been made. In a block that keeps the records
of a part it took a third of the time. Beam and torch make some 700,000 objects that stay to the
end: there it takes a fifth of the time of importing them.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# New objects between two walks over them, in a block that collects seldom; usually 700.
SELDOM = 10_000
YOUNG = 1  # the generation of objects that one walk has spared, and all that are newer


@contextmanager
def collector_paused() -> Iterator[None]:
    """Collect no cycles in this block.

    What is not in a cycle is freed at once as ever, and cycles are freed after the block.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def collector_seldom() -> Iterator[None]:
    """Collect cycles less often in this block, which may take hours.

    The collector does not walk over what was there before the block. Cycles among the older of
    these objects stay until after it.
    """
    before = gc.get_threshold()
    # 0 means that the collector is off.
    is_outer = 0 < before[0] < SELDOM
    if is_outer:
        gc.set_threshold(SELDOM, *before[1:])
    # New garbage would be kept. Old objects are left: to walk over them takes a tenth of a second,
    # and Python itself lets a quarter of them become garbage before it does so.
    gc.collect(YOUNG)
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        if is_outer:
            gc.set_threshold(*before)
