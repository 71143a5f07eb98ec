"""Sorts what a step yields into its outputs, and counts it.

Rejected elements are an output and never just a log line. So counts add up at every stage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from pairsieve.attempt import Failure, attempt
from pairsieve.records.outcome import Counted, Noted, Rejection, Tally, Unit, tally_of
from pairsieve.storage.progress import Teller
from transforms.plumbing.working_on import WorkingOn

TALLY, PROBLEMS = "tally", "problems"
Work = Callable[[Any], Iterable[Any]]


class Route(beam.DoFn):  # type: ignore[misc]
    """Runs a function on each element and sorts what it yields.

    `make` is called once a worker and returns the function. Rejection, Counted and Noted go to the
    tally; rejections that name a place go to the problems as well. A result whose type is in
    `outputs` goes to the output named there. Everything else goes to the main output.

    With a `unit`, an element on which the function raises is quarantined whole under that unit.
    Without one the error stops the job. `progress_dir` is the folder in which workers write how far
    they are.
    """

    def __init__(
        self,
        make: Callable[[], Work],
        unit: Unit | None = None,
        outputs: Mapping[type, str] | None = None,
        progress_dir: str = "",
    ) -> None:
        self._make = make
        self._unit = unit
        self._outputs = dict(outputs or {})
        self._progress_dir = progress_dir

    def setup(self) -> None:
        self._function = self._make()
        self._teller = Teller(self._progress_dir)

    def start_bundle(self) -> None:
        self._tally = Tally()

    def process(self, element: Any) -> Iterator[Any]:
        for result in self._results(element):
            if isinstance(result, (Rejection, Counted, Noted)):
                self._count(result)
                if isinstance(result, Rejection) and result.where:
                    problem = (result.where, result.unit, result.reason)
                    yield beam.pvalue.TaggedOutput(PROBLEMS, problem)
            elif type(result) in self._outputs:
                yield beam.pvalue.TaggedOutput(self._outputs[type(result)], result)
            else:
                yield result

    def _count(self, outcome: Rejection | Counted | Noted) -> None:
        self._tally += tally_of([outcome])
        self._teller.tell(self._tally)

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
        self._teller.end(self._tally)
        for key, number in self._tally.items():
            name = "_".join(word for word in key if word)  # a count without a reason has two words
            Metrics.counter("pairsieve", name).inc(number)
        if self._tally:
            window = GlobalWindow()
            tally = WindowedValue(dict(self._tally), window.max_timestamp(), [window])
            yield beam.pvalue.TaggedOutput(TALLY, tally)


def routed(
    make: Callable[[], Work],
    unit: Unit | None = None,
    outputs: Mapping[type, str] | None = None,
    progress_dir: str = "",
) -> beam.PTransform:
    """Route with its outputs: the main one, "tally", "problems", and those that `outputs` names."""
    each = beam.ParDo(Route(make, unit, outputs, progress_dir))
    each.label = "Each"  # instead of ParDo(Route): the pages of runners and error messages show it
    names = (outputs or {}).values()
    return each.with_outputs(TALLY, PROBLEMS, *names, main="main")
