"""Outcomes, routed: what goes on, what is counted, and where it went wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from pairsieve.attempt import Failure, attempt
from pairsieve.records.outcome import Counted, Noted, Rejection, Tally, Unit, tally_of
from pairsieve.storage.progress import ProgressWriter
from transforms.plumbing.working_on import WorkingOn

TALLY, PROBLEMS = "tally", "problems"
Work = Callable[[Any], Iterable[Any]]


class Route(beam.DoFn):  # type: ignore[misc]
    """Runs a function on each element and sorts what it yields.

    `make` is called once a worker and gives the function. Rejection, Counted and Noted go to the
    tally, and rejections with a place to the problems as well. Other results go to the output that
    `outputs` names for their type, else to the main one.

    With a `unit`, an element on which the function raises is quarantined whole under that unit.
    Without one the error stops the job. `progress_dir` is the folder in which workers say how far
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
        self._teller = ProgressWriter(self._progress_dir)

    def start_bundle(self) -> None:
        self._tally = Tally()

    def process(self, element: Any) -> Iterator[Any]:
        for result in self._results(element):
            if isinstance(result, (Rejection, Counted, Noted)):
                self._tally += tally_of([result])
                self._teller.report(self._tally)
                if isinstance(result, Rejection) and result.where:
                    yield beam.pvalue.TaggedOutput(
                        PROBLEMS, (result.where, result.unit, result.reason)
                    )
            elif type(result) in self._outputs:
                yield beam.pvalue.TaggedOutput(self._outputs[type(result)], result)
            else:
                yield result

    def _results(self, element: Any) -> Iterator[Any]:
        if self._unit is None:
            with WorkingOn(element):
                yield from self._function(element)
            return
        results = attempt(lambda e: list(self._function(e)), element)
        if isinstance(results, Failure):
            yield Rejection(self._unit, results.reason, "quarantined")
            return
        yield from results

    def finish_bundle(self) -> Iterator[Any]:
        self._teller.finish(self._tally)
        for (unit, outcome, reason), number in self._tally.items():
            Metrics.counter("pairsieve", "_".join(filter(None, (unit, outcome, reason)))).inc(
                number
            )
        if self._tally:
            window = GlobalWindow()
            yield beam.pvalue.TaggedOutput(
                TALLY, WindowedValue(dict(self._tally), window.max_timestamp(), [window])
            )


def routed(
    make: Callable[[], Work],
    unit: Unit | None = None,
    outputs: Mapping[type, str] | None = None,
    progress_dir: str = "",
) -> beam.PTransform:
    """Route with its outputs: the main one, "tally", "problems", and those that `outputs` names."""
    each = beam.ParDo(Route(make, unit, outputs, progress_dir))
    each.label = "Each"  # instead of ParDo(Route): pages of runners and errors show it
    names = (outputs or {}).values()
    return each.with_outputs(TALLY, PROBLEMS, *names, main="main")
