"""The elements that a job begins with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam


@dataclass(frozen=True, slots=True)
class EveryGroup:
    """An element that becomes an empty batch of each group of the job's last shuffle.

    So every group is there, with or without rows, and the job has ended when each group has written
    its counts. Steps before the shuffle pass it on.
    """


@dataclass
class ListElements(beam.PTransform):  # type: ignore[misc]
    """The one element of an Impulse -> `elements`, spread over the workers.

    Like beam.Create, which begins at an Impulse of its own. With `every_group` an EveryGroup comes
    behind them.
    """

    elements: Sequence[Any]
    every_group: bool = False

    def expand(self, start: beam.PCollection) -> beam.PCollection:
        elements = list(self.elements)
        if self.every_group:
            elements.append(EveryGroup())
        listed = start | "List" >> beam.FlatMap(_listed, elements)
        if len(self.elements) < 2:
            # A single element needs no reshuffle, which costs tasks on Flink.
            return listed
        # Runners fuse steps: without the reshuffle the worker that lists the elements gets them
        # all.
        return listed | "Spread" >> beam.Reshuffle()


def _listed(_: bytes, elements: Sequence[Any]) -> Iterator[Any]:
    yield from elements
