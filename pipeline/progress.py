"""How far a stage is, told by the parts that lie in its folder: the same on every runner, and after a resume too."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from storage import parts

LOGGER = logging.getLogger(__name__)
EVERY_S = 15.0


@contextmanager
def reporting(stage: str, folder: str, total: int, every_s: float = EVERY_S) -> Iterator[None]:
    """While the block lasts, log finished parts of `total` with the time left, whenever there are more of them."""
    stop = threading.Event()
    reporter = threading.Thread(target=_report, args=(stage, folder, total, every_s, stop), daemon=True)
    reporter.start()
    try:
        yield
    finally:
        stop.set()
        reporter.join()


def _report(stage: str, folder: str, total: int, every_s: float, stop: threading.Event) -> None:
    started, before = time.monotonic(), len(parts.part_names(folder))
    last = before
    while not stop.wait(every_s):
        done = len(parts.part_names(folder))
        if done > last:
            last = done
            left_s = (time.monotonic() - started) / (done - before) * (total - done)
            LOGGER.info("%s: %d of %d parts, about %s left", stage, done, total, _duration(left_s))


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min" if minutes else f"{round(seconds)} s"
