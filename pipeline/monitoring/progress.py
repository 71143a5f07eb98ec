"""Reports how far a stage is: by bars on a terminal or log lines, and in a history that is kept.

Two sources tell it: the parts in the stage's folder, and small files that workers write there. So
it works on every runner, and after a resume too.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pairsieve.storage import files, parts
from pairsieve.storage.progress import Progress as WorkerProgress
from pairsieve.storage.progress import forget_progress, read_progress

LOGGER = logging.getLogger(__name__)
EVERY_S = 15.0
"""Seconds between two log lines."""
LIVE_EVERY_S = 1.0
"""Seconds between two updates of a bar."""
WAIT_PER_LOOK = 20
"""The reporter waits at least so many times as long as a look took: about 5 % of one core."""
MAX_STATUSES = 4
MAX_SAMPLES = 2_000
HISTORY = "history.json"
PARTS = "parts"
SHOWN_OUTCOMES = (("page kept", "pages"), ("image in", "images"), ("sample kept", "kept"))
"""Outcomes of workers that a line shows, and their names there."""
Sample = tuple[float, int]
"""Seconds that a stage had worked, and how many of its unit were done by then."""
History = Mapping[str, Sequence[Sample]]
"""Stage -> samples."""


@dataclass(frozen=True)
class Watch:
    """A stage to watch.

    `total` of `unit` are to be done (0: nobody knows how many). `counts` are the outcomes of
    workers that add up to what is done; without them it is the parts in the folder. `before` were
    done when the watch began.
    """

    stage: str
    folder: str
    total: int = 0
    unit: str = PARTS
    counts: tuple[str, ...] = ()
    started: float = field(default_factory=time.monotonic)
    before: int = 0

    def look(self) -> Look:
        """See how far it is now."""
        workers = read_progress(self.folder)
        if self.counts:
            done = sum(workers.outcomes.get(name, 0) for name in self.counts)
        else:
            done = len(parts.part_names(self.folder))
        return Look(self, done, time.monotonic() - self.started, workers)


@dataclass(frozen=True)
class Look:
    """How far a stage is at one moment, `passed_s` seconds after the watch began."""

    watch: Watch
    done: int
    passed_s: float
    workers: WorkerProgress

    @property
    def left_s(self) -> float | None:
        """Seconds that are left at the pace so far; None where the pace or the total is unknown."""
        done_since = self.done - self.watch.before
        if done_since <= 0 or not self.watch.total:
            return None
        return self.passed_s / done_since * max(0, self.watch.total - self.done)

    @property
    def line(self) -> str:
        """One line for a log."""
        watch = self.watch
        of_total = f" of {watch.total:,}" if watch.total else ""
        details = describe(self.workers, self.passed_s)
        line = f"{watch.stage}: {self.done:,}{of_total} {watch.unit}{details}"
        if self.left_s is None:
            return line
        return f"{line}, about {_duration(self.left_s)} left"

    def sample(self, ran_s: float) -> Sample:
        """A sample for the history of a stage that had worked `ran_s` seconds before the watch."""
        return round(ran_s + self.passed_s, 1), self.done

    @property
    def facts(self) -> dict[str, object]:
        """The same as JSON values."""
        return {
            "stage": self.watch.stage,
            "unit": self.watch.unit,
            "done": self.done,
            "total": self.watch.total,
            "seconds": round(self.passed_s, 1),
            "seconds_left": self.left_s,
            "answered": dict(self.workers.answered),
            "outcomes": dict(self.workers.outcomes),
        }


class Activity:
    """The time of the last sign of life of a stage's workers."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def seen(self) -> None:
        """Note that there is one now."""
        self._at = time.monotonic()

    def quiet_s(self) -> float:
        """Seconds since the last one."""
        return time.monotonic() - self._at


@contextmanager
def reporting(watch: Watch, bars: bool = False, every_s: float = EVERY_S) -> Iterator[Activity]:
    """Report how far the stage is while the block runs, and keep its history.

    Progress is shown by bars on a terminal, or by a log line now and then. Yields the time of the
    last activity.
    """
    stop, activity = threading.Event(), Activity()
    samples = read_history(watch.folder)
    ran_s = samples[-1][0] if samples else 0.0
    with _bars() if bars else nullcontext() as shown:
        if shown:
            show, every_s = _Bar(shown, watch).show, LIVE_EVERY_S
        else:
            show = _log
        changes = _Changes(show, activity)

        def note(look: Look) -> None:
            samples.append(look.sample(ran_s))
            changes.show(look)

        reporter = threading.Thread(target=_report, args=(watch, every_s, stop, note), daemon=True)
        reporter.start()
        try:
            yield activity
        finally:
            stop.set()
            reporter.join()
            samples.append(watch.look().sample(ran_s))
            files.write_text(files.join(watch.folder, HISTORY), json.dumps(thinned(samples)))
            forget_progress(watch.folder)


def _report(
    watch: Watch, every_s: float, stop: threading.Event, note: Callable[[Look], None]
) -> None:
    """Look again and again until `stop` is set."""
    wait_s = every_s
    while not stop.wait(wait_s):
        began = time.monotonic()
        look = watch.look()
        # It takes long to list a million parts in an object store: look less often there.
        wait_s = max(every_s, WAIT_PER_LOOK * (time.monotonic() - began))
        note(look)


def _log(look: Look) -> None:
    LOGGER.info(look.line, extra={"progress": look.facts})


def _bars() -> Progress:
    return Progress(
        TextColumn("{task.description:<8}"),
        BarColumn(),
        TextColumn("{task.fields[details]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


class _Bar:
    """One stage's bar."""

    def __init__(self, shown: Progress, watch: Watch) -> None:
        self._shown = shown
        self._task = shown.add_task(watch.stage, total=watch.total or None, details="")

    def show(self, look: Look) -> None:
        of_total = f"/{look.watch.total:,}" if look.watch.total else ""
        workers = describe(look.workers, look.passed_s)
        details = f"{look.done:,}{of_total} {look.watch.unit}{workers}"
        self._shown.update(self._task, completed=look.done, details=details)


class _Changes:
    """Shows a look only where workers have done something since the last one."""

    def __init__(self, show: Callable[[Look], None], activity: Activity) -> None:
        self._show, self._activity, self._last = show, activity, ""

    def show(self, look: Look) -> None:
        # Rates and the time that is left change by themselves.
        state = json.dumps([look.done, look.facts["answered"], look.facts["outcomes"]])
        if state != self._last:
            self._last = state
            self._activity.seen()
            self._show(look)


def describe(workers: WorkerProgress, passed_s: float) -> str:
    """What workers have read, judged or requested, with rates; empty where they report nothing."""
    # In the first second a rate would be far too high.
    passed_s = max(passed_s, 1)
    texts = []
    for outcome, name in SHOWN_OUTCOMES:
        number = workers.outcomes.get(outcome, 0)
        if number:
            texts.append(f"{number:,} {name} ({number / passed_s:,.0f}/s)")
    answers = sum(workers.answered.values())
    if answers:
        failures = _frequent_failures(workers.answered)
        texts.append(f"{answers:,} answers ({answers / passed_s:,.0f}/s{failures})")
        texts.append(f"{workers.hosts_waiting:,} hosts waiting")
    return "".join(f", {text}" for text in texts)


def _frequent_failures(answered: Mapping[str, int]) -> str:
    """The most frequent statuses but "ok", each behind a comma."""
    failed = [(number, status) for status, number in answered.items() if status != "ok"]
    most_frequent = sorted(failed, reverse=True)[:MAX_STATUSES]
    return "".join(f", {status} {number:,}" for number, status in most_frequent)


def read_history(folder: str) -> list[Sample]:
    """The samples of all runs that worked at a stage; none where there was no run."""
    path = files.join(folder, HISTORY)
    if not files.exists(path):
        return []
    return [(float(seconds), int(done)) for seconds, done in json.loads(files.read_text(path))]


def thinned(samples: Sequence[Sample], max_samples: int = MAX_SAMPLES) -> list[Sample]:
    """About `max_samples` of them at even steps, and always the last one."""
    # Rounded up; 1 where there are no samples.
    step = -(-len(samples) // max_samples) or 1
    return [*samples[:-1:step], *samples[-1:]]


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    if minutes:
        return f"{minutes} min"
    return f"{round(seconds)} s"
