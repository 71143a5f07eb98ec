"""Runs a function on each element of a step, and counts what it yields.

Rejected elements are counted and never just a log line. So counts add up at every stage.

Counts travel behind the results of their bundle, and every later step passes them on. So a step has
one output. Flink sets up tasks of its own for every further output.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from pairsieve.attempt import Failure, attempt
from pairsieve.records.outcome import Counted, Noted, Rejection, Tally, Unit, tally_of
from pairsieve.storage.job_end import Outcomes
from pairsieve.storage.progress import ProgressWriter
from transforms.plumbing.working_on import WorkingOn

Work = Callable[[Any], Iterable[Any]]

Problem = tuple[str, str, str]
"""(where, unit, reason) of something that could not be read."""

MAX_PROBLEMS = 1000
"""Problems that a job lists: the first ones by their place."""

COUNTS = "counts"
"""The output of counts, in a step that keeps them apart."""

COUNTS_KEY = (COUNTS, 0)
"""The key under which counts go through a shuffle."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a step counted in one bundle, and the first problems of the bundle."""

    outcomes: Outcomes
    problems: list[Problem]


class Route(beam.DoFn):  # type: ignore[misc]
    """Runs a function on each element, and counts what it yields.

    `make` is called once a worker and returns the function. Rejection, Counted and Noted are
    counted; rejections that name a place are problems as well. The bundle's Counts come last.
    A result whose type is in `outputs` goes to the output named there. Everything else goes to the
    main output.

    Counts of earlier steps, and elements whose type is in `passes`, are passed on unread.

    With a `unit`, an element on which the function raises is quarantined whole under that unit.
    Without one the error stops the job. `progress_dir` is the folder in which workers write how far
    they are.
    """

    def __init__(
        self,
        make: Callable[[], Work],
        unit: Unit | None = None,
        outputs: Mapping[type, str] | None = None,
        passes: tuple[type, ...] = (),
        progress_dir: str = "",
    ) -> None:
        self._make = make
        self._unit = unit
        self._outputs = dict(outputs or {})
        self._passes = passes
        self._progress_dir = progress_dir

    def setup(self) -> None:
        self._function = self._make()
        self._teller = ProgressWriter(self._progress_dir)

    def start_bundle(self) -> None:
        self._tally = Tally()
        self._problems: list[Problem] = []

    def process(self, element: Any) -> Iterator[Any]:
        if isinstance(element, (Counts, *self._passes)):
            yield self._routed(element)
        elif _is_group_of_counts(element):
            _, counts = element
            yield from map(self._routed, counts)
        else:
            yield from self._work_on(element)

    def _work_on(self, element: Any) -> Iterator[Any]:
        for result in self._results(element):
            if isinstance(result, (Rejection, Counted, Noted)):
                self._count(result)
            else:
                yield self._routed(result)

    def _routed(self, result: Any) -> Any:
        """The result for the output that its type belongs to."""
        output = self._outputs.get(type(result))
        return beam.pvalue.TaggedOutput(output, result) if output else result

    def _count(self, outcome: Rejection | Counted | Noted) -> None:
        self._tally += tally_of([outcome])
        self._teller.report(self._tally)
        if isinstance(outcome, Rejection) and outcome.where:
            self._problems.append((outcome.where, outcome.unit, outcome.reason))
            # A bundle with a million problems must not hold them all.
            if len(self._problems) >= 2 * MAX_PROBLEMS:
                self._problems = first_problems(self._problems)

    def _results(self, element: Any) -> Iterator[Any]:
        if self._unit is None:
            with WorkingOn(element):
                yield from self._function(element)
            return
        # As a list, so that an element which fails in the middle yields nothing at all.
        results = attempt(lambda element: list(self._function(element)), element)
        if isinstance(results, Failure):
            yield Rejection(self._unit, results.reason, "quarantined")
            return
        yield from results

    def finish_bundle(self) -> Iterator[Any]:
        self._teller.finish(self._tally)
        for key, number in self._tally.items():
            name = "_".join(word for word in key if word)  # a count without a reason has two words
            Metrics.counter("pairsieve", name).inc(number)
        if self._tally:
            window = GlobalWindow()
            counts = Counts(dict(self._tally), first_problems(self._problems))
            windowed = WindowedValue(counts, window.max_timestamp(), [window])
            output = self._outputs.get(Counts)
            yield beam.pvalue.TaggedOutput(output, windowed) if output else windowed


def first_problems(problems: Iterable[Problem], number: int = MAX_PROBLEMS) -> list[Problem]:
    """The first problems by their place, in this order."""
    return heapq.nsmallest(number, problems)


def _is_group_of_counts(element: Any) -> bool:
    """Whether an element is what a shuffle makes of counts: (COUNTS_KEY, its Counts)."""
    return isinstance(element, tuple) and bool(element) and element[0] == COUNTS_KEY


def routed(
    make: Callable[[], Work],
    unit: Unit | None = None,
    outputs: Mapping[type, str] | None = None,
    passes: tuple[type, ...] = (),
    progress_dir: str = "",
) -> beam.PTransform:
    """Route as a step. With `outputs` it has those outputs beside the main one, else one alone."""
    each = beam.ParDo(Route(make, unit, outputs, passes, progress_dir))
    each.label = "Each"  # instead of ParDo(Route): the pages of runners and error messages show it
    if not outputs:
        return each
    return each.with_outputs(*outputs.values(), main="main")
