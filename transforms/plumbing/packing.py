"""Elements packed by key before a shuffle: the local runner holds what it shuffles several times
over, so it is made small first.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

Key = TypeVar("Key", bound=Hashable)
MOST_HELD = 20_000  # elements of a worker, before it packs them


class PackByKey(beam.DoFn, Generic[Key]):  # type: ignore[misc]
    """Elements -> (key, batch): `key_of` an element, and `pack` a key's elements into bytes. They
    are counted under `name`; a worker holds up to `most_held`.
    """

    def __init__(
        self,
        name: str,
        key_of: Callable[[Any], Key],
        pack: Callable[[Key, Sequence[Any]], bytes],
        most_held: int = MOST_HELD,
    ) -> None:
        self._name, self._key_of, self._pack, self._most_held = name, key_of, pack, most_held

    def start_bundle(self) -> None:
        self._held: dict[Key, list[Any]] = {}
        self._number = 0

    def process(self, element: Any) -> Iterator[tuple[Key, bytes]]:
        self._held.setdefault(self._key_of(element), []).append(element)
        self._number += 1
        if self._number >= self._most_held:
            yield from self._flush()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        window = GlobalWindow()
        return (WindowedValue(batch, window.max_timestamp(), [window]) for batch in self._flush())

    def _flush(self) -> list[tuple[Key, bytes]]:
        batches = [(key, self._pack(key, elements)) for key, elements in self._held.items()]
        for what, number in (
            ("rows", self._number),
            ("batches", len(batches)),
            ("bytes", sum(len(batch) for _, batch in batches)),
        ):
            Metrics.counter("pairsieve", f"shuffled_{self._name}_{what}").inc(number)
        self.start_bundle()
        return batches
