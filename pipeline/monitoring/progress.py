"""How far a stage is, told by the parts that lie in its folder and by its workers: the same on
every runner, and after a resume too.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pairsieve.storage import files, parts
from pairsieve.storage.progress import Progress as Told
from pairsieve.storage.progress import forget_progress, read_progress

LOGGER = logging.getLogger(__name__)
EVERY_S, LIVE_EVERY_S, LOOKS_SHARE = 15.0, 1.0, 20
MOST_STATUSES, MOST_SAMPLES = 4, 2_000
HISTORY = "history.json"
PARTS = "parts"
SAID = (("page kept", "pages"), ("image in", "images"), ("sample kept", "kept"))
Sample = tuple[float, int]
History = Mapping[str, Sequence[Sample]]
"""By stage."""


@dataclass(frozen=True)
class Watch:
    """A stage that is watched. `total` of `unit` are to be done (0: nobody knows how many);
    `counts`: outcomes that tell how many are done, where they are not the parts in the folder.
    `before`: how many were done when the watch began.
    """

    stage: str
    folder: str
    total: int = 0
    unit: str = PARTS
    counts: tuple[str, ...] = ()
    started: float = field(default_factory=time.monotonic)
    before: int = 0

    def look(self) -> Look:
        """How far it is now."""
        told = read_progress(self.folder)
        done = (
            sum(told.outcomes.get(name, 0) for name in self.counts)
            if self.counts
            else len(parts.part_names(self.folder))
        )
        return Look(self, done, time.monotonic() - self.started, told)


@dataclass(frozen=True)
class Look:
    """How far a stage is at one moment."""

    watch: Watch
    done: int
    passed_s: float
    told: Told

    @property
    def left_s(self) -> float | None:
        """Seconds that are left, at the pace so far; None where nothing is known."""
        new = self.done - self.watch.before
        return (
            self.passed_s / new * max(0, self.watch.total - self.done)
            if new > 0 and self.watch.total
            else None
        )

    @property
    def line(self) -> str:
        """One line for a log."""
        watch = self.watch
        of = f" of {watch.total:,}" if watch.total else ""
        said = f"{watch.stage}: {self.done:,}{of} {watch.unit}{describe(self.told, self.passed_s)}"
        return said if self.left_s is None else f"{said}, about {_duration(self.left_s)} left"

    def sample(self, ran_s: float) -> Sample:
        """For the history of a stage that had run so long before."""
        return round(ran_s + self.passed_s, 1), self.done

    @property
    def facts(self) -> dict[str, object]:
        """The same for a machine."""
        return {
            "stage": self.watch.stage,
            "unit": self.watch.unit,
            "done": self.done,
            "total": self.watch.total,
            "seconds": round(self.passed_s, 1),
            "seconds_left": self.left_s,
            "answered": dict(self.told.answered),
            "outcomes": dict(self.told.outcomes),
        }


class Heard:
    """When something was heard of a stage."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def now(self) -> None:
        self._at = time.monotonic()

    def quiet_s(self) -> float:
        """For how long nothing was."""
        return time.monotonic() - self._at


@contextmanager
def reporting(watch: Watch, bars: bool = False, every_s: float = EVERY_S) -> Iterator[Heard]:
    """While the block lasts, say how far the stage is: with bars on a terminal, or a log line now
    and then. Its history is kept. The block is given when something was heard of the stage.
    """
    stop, samples, heard = threading.Event(), read_history(watch.folder), Heard()
    ran_s = samples[-1][0] if samples else 0.0
    with _bars() if bars else nullcontext() as shown:
        tell = _Bar(shown, watch).show if shown else _log
        every_s = LIVE_EVERY_S if shown else every_s
        told = (_Changes(tell, heard), partial(_append, samples, ran_s))
        reporter = threading.Thread(target=_report, args=(watch, every_s, stop, *told), daemon=True)
        reporter.start()
        try:
            yield heard
        finally:
            stop.set()
            reporter.join()
            samples.append(watch.look().sample(ran_s))
            files.write_text(files.join(watch.folder, HISTORY), json.dumps(thinned(samples)))
            forget_progress(watch.folder)


def _log(look: Look) -> None:
    LOGGER.info(look.line, extra={"progress": look.facts})


def _bars() -> Progress:
    return Progress(
        TextColumn("{task.description:<8}"),
        BarColumn(),
        TextColumn("{task.fields[said]}"),
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
        self._task = shown.add_task(watch.stage, total=watch.total or None, said="")

    def show(self, look: Look) -> None:
        of = f"/{look.watch.total:,}" if look.watch.total else ""
        said = f"{look.done:,}{of} {look.watch.unit}{describe(look.told, look.passed_s)}"
        self._shown.update(self._task, completed=look.done, said=said)


def describe(told: Told, passed_s: float) -> str:
    """What workers say of what they have read, judged or asked for; empty where they say
    nothing.
    """
    passed_s = max(passed_s, 1)
    outcomes = [
        f"{number:,} {what} ({number / passed_s:,.0f}/s)"
        for key, what in SAID
        if (number := told.outcomes.get(key, 0))
    ]
    asked = sum(told.answered.values())
    if asked:
        failed = sorted(
            ((number, status) for status, number in told.answered.items() if status != "ok"),
            reverse=True,
        )
        problems = "".join(f", {status} {number:,}" for number, status in failed[:MOST_STATUSES])
        outcomes += [
            f"{asked:,} answers ({asked / passed_s:,.0f}/s{problems})",
            f"{told.hosts_waiting:,} hosts waiting",
        ]
    return "".join(f", {said}" for said in outcomes)


def _report(
    watch: Watch,
    every_s: float,
    stop: threading.Event,
    told: _Changes,
    keep: Callable[[Look], None],
) -> None:
    wait_s = every_s
    while not stop.wait(wait_s):
        began = time.monotonic()
        look = watch.look()
        # a million parts in a store take long to list
        wait_s = max(every_s, LOOKS_SHARE * (time.monotonic() - began))
        keep(look)
        told.tell(look)


class _Changes:
    """Tells what is new."""

    def __init__(self, tell: Callable[[Look], None], heard: Heard) -> None:
        self._tell, self._heard, self._last = tell, heard, ""

    def tell(self, look: Look) -> None:
        """Rates and the time that is left change by themselves, and are no news."""
        news = json.dumps([look.done, look.facts["answered"], look.facts["outcomes"]])
        if news != self._last:
            self._last = news
            self._heard.now()
            self._tell(look)


def _append(samples: list[Sample], ran_s: float, look: Look) -> None:
    samples.append(look.sample(ran_s))


def read_history(folder: str) -> list[Sample]:
    """(seconds that the stage had run, how many of its unit were done), over all runs that worked
    at it.
    """
    path = files.join(folder, HISTORY)
    return (
        [(float(at), int(done)) for at, done in json.loads(files.read_text(path))]
        if files.exists(path)
        else []
    )


def thinned(samples: Sequence[Sample], most: int = MOST_SAMPLES) -> list[Sample]:
    """About `most` of them, the last one always."""
    step = -(-len(samples) // most) or 1
    return [*samples[:-1:step], *samples[-1:]]


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return (
        f"{minutes // 60} h {minutes % 60} min"
        if minutes >= 60
        else f"{minutes} min"
        if minutes
        else f"{round(seconds)} s"
    )
