"""Runs a function on each element of a step, and counts what it yields.

Rejected elements are counted, and never only logged. So counts add up at every stage.

Counts travel behind the results of their bundle, and every later step passes them on. So a step has
one output. Flink sets up tasks of its own for every further output. The shuffle brings all counts
together in one group.

Behind a shuffle a step has to count by group: a runner that repeats work may cut the bundles at
other places. So the counts of a group are part of its result (pairsieve/storage/job_end.py).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from pairsieve.records.outcome import Counted, Noted, Rejection, Tally, tally_of
from pairsieve.storage.job_end import Outcomes
from pairsieve.storage.progress import ProgressWriter
from transforms.plumbing.listing import EveryGroup
from transforms.plumbing.working_on import WorkingOn

Work = Callable[..., Iterable[Any]]
"""Gets an element, and behind it the side input where its step has one."""

Problem = tuple[str, str, str]
"""(where, unit, reason) of something that could not be read."""

MAX_PROBLEMS = 1000
"""Problems that a job lists: the first ones by their place."""

COUNTS = "counts"
"""The kind of the key under which counts go through a shuffle."""

COUNTS_KEY = (COUNTS, 0)


@dataclass(frozen=True, slots=True)
class Counts:
    """What a step counted in one bundle, and the first problems of the bundle."""

    outcomes: Outcomes = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


class CountingStep(beam.DoFn):  # type: ignore[misc]
    """Runs a function on each element, and counts what it yields.

    `make` is called once a worker and returns the function. Rejection, Counted and Noted are
    counted; rejections that name a place are problems as well. The bundle's Counts come last; with
    `without_counts` only Beam's counters have the numbers. An error of the function stops the job.

    Counts of earlier steps, EveryGroup, and elements whose type is in `passes` are passed on
    unread.
    `progress_dir` is the folder in which workers write how far they are. A side input goes to the
    function, behind each element.
    """

    def __init__(
        self,
        make: Callable[[], Work],
        passes: tuple[type, ...] = (),
        progress_dir: str = "",
        without_counts: bool = False,
    ) -> None:
        self._make = make
        self._passes = (Counts, EveryGroup, *passes)
        self._without_counts = without_counts
        self._progress_dir = progress_dir

    def setup(self) -> None:
        self._function = self._make()
        self._teller = ProgressWriter(self._progress_dir)

    def start_bundle(self) -> None:
        # A tally for each bundle: where a runner tries a bundle again, it drops the counts of the
        # first try with its results, and nothing is counted twice.
        self._tally = Tally()
        self._problems: list[Problem] = []

    def process(self, element: Any, side: Any = None) -> Iterator[Any]:
        if isinstance(element, self._passes) or is_group_of_counts(element):
            yield element
            return
        sides = () if side is None else (side,)
        yield from self._work_on(element, sides)

    def _work_on(self, element: Any, sides: tuple[Any, ...]) -> Iterator[Any]:
        with WorkingOn(element):
            for result in self._function(element, *sides):
                if isinstance(result, (Rejection, Counted, Noted)):
                    self._count(result)
                else:
                    yield result

    def _count(self, outcome: Rejection | Counted | Noted) -> None:
        self._tally += tally_of([outcome])
        self._teller.report(self._tally)
        if isinstance(outcome, Rejection) and outcome.where:
            self._problems.append((outcome.where, outcome.unit, outcome.reason))
            # A bundle with a million problems must not hold them all.
            if len(self._problems) >= 2 * MAX_PROBLEMS:
                self._problems = first_problems(self._problems)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        self._teller.finish(self._tally)
        for key, number in self._tally.items():
            name = "_".join(word for word in key if word)  # a count without a reason has two words
            Metrics.counter("pairsieve", name).inc(number)
        if self._tally and not self._without_counts:
            # At the end of a bundle Beam knows no element, so the window must be given.
            window = GlobalWindow()
            counts = Counts(dict(self._tally), first_problems(self._problems))
            yield WindowedValue(counts, window.max_timestamp(), [window])


def first_problems(problems: Iterable[Problem]) -> list[Problem]:
    """The first MAX_PROBLEMS problems by their place, in this order."""
    return heapq.nsmallest(MAX_PROBLEMS, problems)


def merge_counts(several: Iterable[Counts]) -> Counts:
    """The sum, and the first problems of all."""
    total, problems = Tally(), list[Problem]()
    for counts in several:
        total.update(counts.outcomes)
        problems += counts.problems
        # One worker merges those of all bundles, and must not hold them all.
        if len(problems) >= 2 * MAX_PROBLEMS:
            problems = first_problems(problems)
    return Counts(dict(total), first_problems(problems))


def is_group_of_counts(element: Any) -> bool:
    """Whether an element is what a shuffle makes of counts: (COUNTS_KEY, its Counts)."""
    return isinstance(element, tuple) and bool(element) and element[0] == COUNTS_KEY


def counting(
    make: Callable[[], Work],
    passes: tuple[type, ...] = (),
    progress_dir: str = "",
    side: beam.pvalue.AsSideInput | None = None,
    without_counts: bool = False,
) -> beam.PTransform:
    """CountingStep as a step of the flow, with its side input."""
    sides = () if side is None else (side,)
    each = beam.ParDo(CountingStep(make, passes, progress_dir, without_counts), *sides)
    # Instead of ParDo(CountingStep): pages of runners and error messages show it.
    each.label = "Each"
    return each
