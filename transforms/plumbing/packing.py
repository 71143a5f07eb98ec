"""Packs elements by key before a shuffle, so that the shuffle is small.

The local runner holds in memory what it shuffles, several times over.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from transforms.plumbing.counting import COUNTS_KEY, Counts
from transforms.plumbing.listing import EveryGroup

Key = TypeVar("Key", bound=Hashable)

# Elements that a worker holds before it packs them.
MAX_HELD = 20_000


class PackByKey(beam.DoFn, Generic[Key]):  # type: ignore[misc]
    """Elements -> (key, batch). Counts pass, under a key of their own.

    EveryGroup becomes an empty batch of each key of `all_keys`, and empty counts.

    `key_of` gives the key of an element, and `pack` turns the elements of a key into bytes. A
    worker holds up to `max_held` elements. Rows, batches and bytes of a key are counted under its
    name, which `name_of` gives.
    """

    def __init__(
        self,
        name_of: Callable[[Key], str],
        key_of: Callable[[Any], Key],
        pack: Callable[[Key, Sequence[Any]], bytes],
        max_held: int = MAX_HELD,
        all_keys: Sequence[Key] = (),
    ) -> None:
        self._name_of = name_of
        self._key_of = key_of
        self._pack = pack
        self._max_held = max_held
        self._all_keys = all_keys

    def start_bundle(self) -> None:
        # Nothing is held beyond a bundle: the runner takes it for done at its end.
        self._held: dict[Key, list[Any]] = {}
        self._number = 0

    def process(self, element: Any) -> Iterator[tuple[Any, Any]]:
        if isinstance(element, Counts):
            yield COUNTS_KEY, element
            return
        if isinstance(element, EveryGroup):
            yield COUNTS_KEY, Counts()
            for key in self._all_keys:
                yield key, b""
            return
        self._held.setdefault(self._key_of(element), []).append(element)
        self._number += 1
        if self._number >= self._max_held:
            yield from self._flush()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        # At the end of a bundle Beam knows no element, so the window must be given.
        window = GlobalWindow()
        for batch in self._flush():
            yield WindowedValue(batch, window.max_timestamp(), [window])

    def _flush(self) -> list[tuple[Key, bytes]]:
        batches = []
        for key, elements in self._held.items():
            batch = self._pack(key, elements)
            name = self._name_of(key)
            _count(name, "rows", len(elements))
            _count(name, "batches", 1)
            _count(name, "bytes", len(batch))
            batches.append((key, batch))
        # Begins with nothing held.
        self.start_bundle()
        return batches


def _count(name: str, unit: str, number: int) -> None:
    Metrics.counter("pairsieve", f"shuffled_{name}_{unit}").inc(number)
