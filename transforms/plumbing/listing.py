"""The elements that a job begins with, and the last step, which has to wait for all others.

Both begin at the same Impulse. Flink sets up tasks of its own for every further one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam


@dataclass
class ListElements(beam.PTransform):  # type: ignore[misc]
    """The one element of an Impulse -> `elements`, spread over the workers.

    Like beam.Create, which begins at an Impulse of its own.
    """

    elements: Sequence[Any]

    def expand(self, start: beam.PCollection) -> beam.PCollection:
        listed = start | "List" >> beam.FlatMap(_listed, self.elements)
        # Runners fuse steps: without the reshuffle the worker that lists the elements gets them
        # all.
        # One element cannot be spread.
        return listed | "Spread" >> beam.Reshuffle() if len(self.elements) > 1 else listed


@dataclass
class WithAll(beam.PTransform):  # type: ignore[misc]
    """Calls a function once, with all elements of a collection, when there are no more.

    `start` is an Impulse, whose one element makes that one call. The elements are a side input: it
    needs no shuffle, and so no tasks for one. A runner may repeat the call after a failure, so the
    function must leave the same when it is called again.
    """

    start: beam.PCollection
    function: Callable[[Iterable[Any]], None]

    def expand(self, elements: beam.PCollection) -> beam.PCollection:
        return self.start | "Call" >> beam.Map(_call, self.function, beam.pvalue.AsIter(elements))


def _listed(_: bytes, elements: Sequence[Any]) -> Iterator[Any]:
    yield from elements


def _call(_: bytes, function: Callable[[Iterable[Any]], None], elements: Iterable[Any]) -> None:
    function(elements)
