"""How far a stage is, told by the parts that lie in its folder and by its workers: the same on every runner, and after a resume too."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from storage import parts
from storage.progress import Progress, forget_progress, read_progress

LOGGER = logging.getLogger(__name__)
EVERY_S, LIVE_EVERY_S = 15.0, 1.0
MOST_STATUSES = 4
CLEAR_LINE = "\r\x1b[K"


@contextmanager
def reporting(stage: str, folder: str, total: int, every_s: float = EVERY_S) -> Iterator[None]:
    """While the block lasts, say how far the stage is: a live line on a terminal, a log line now and then elsewhere."""
    live = sys.stderr.isatty()
    tell = _tell_live if live else LOGGER.info
    stop = threading.Event()
    watch = Watch(stage, folder, total, time.monotonic(), len(parts.part_names(folder)))
    reporter = threading.Thread(target=_report, args=(watch, LIVE_EVERY_S if live else every_s, tell, stop), daemon=True)
    reporter.start()
    try:
        yield
    finally:
        stop.set()
        reporter.join()
        forget_progress(folder)
        if live:
            sys.stderr.write(CLEAR_LINE)


def _tell_live(line: str) -> None:
    sys.stderr.write(CLEAR_LINE + line)
    sys.stderr.flush()


@dataclass(frozen=True)
class Watch:
    """A stage that is watched, from when on, and how many of its parts there were then."""

    stage: str
    folder: str
    total: int
    started: float
    before: int

    def line(self) -> str:
        """One line on how far it is."""
        done, passed_s = len(parts.part_names(self.folder)), time.monotonic() - self.started
        said = f"{self.stage}: {done} of {self.total} parts" + describe(read_progress(self.folder), passed_s)
        left_s = passed_s / (done - self.before) * (self.total - done) if done > self.before else None
        return said if left_s is None else f"{said}, about {_duration(left_s)} left"


def describe(progress: Progress, passed_s: float) -> str:
    """What workers say of their requests; empty where they make none."""
    asked = sum(progress.answered.values())
    if not asked:
        return ""
    failed = sorted(((number, status) for status, number in progress.answered.items() if status != "ok"), reverse=True)
    problems = "".join(f", {status} {number:,}" for number, status in failed[:MOST_STATUSES])
    return f", {asked:,} answers ({asked / max(passed_s, 1):,.0f}/s{problems}), {progress.hosts_waiting:,} hosts waiting"


def _report(watch: Watch, every_s: float, tell: Callable[[str], None], stop: threading.Event) -> None:
    last = ""
    while not stop.wait(every_s):
        line = watch.line()
        if line.partition(", about")[0] != last:
            last = line.partition(", about")[0]
            tell(line)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min" if minutes else f"{round(seconds)} s"
