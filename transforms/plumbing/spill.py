"""Writes batches to files and shuffles only their places, to keep the shuffle out of memory.

The local runner holds a shuffle in memory, several times over. The runner of a cluster does not,
and the workers of a cluster share no disk, so this is for the local runner alone.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Any

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from pairsieve.storage import files

SUFFIX = ".batches"


@dataclass(frozen=True, slots=True)
class Spilled:
    """Where the batches of one key lie in a file: (offset, length) of each in bytes."""

    path: str
    places: tuple[tuple[int, int], ...]


class Spill(beam.DoFn):  # type: ignore[misc]
    """(key, batch of rows) -> (key, Spilled). A bundle writes one file.

    All batches of a key in a bundle are one element behind this step: the launcher holds every
    element of a shuffle. `is_spilled` says which batches go to the file; all others pass as they
    are.
    """

    def __init__(self, folder: str, is_spilled: Callable[[Any], bool]) -> None:
        self._folder = folder
        self._is_spilled = is_spilled

    def start_bundle(self) -> None:
        self._stack = ExitStack()
        self._path = ""
        self._offset = 0
        self._stream: IO[bytes] | None = None
        self._places: dict[Hashable, list[tuple[int, int]]] = {}

    def process(self, keyed: tuple[Any, Any]) -> Iterator[tuple[Any, Any]]:
        if not self._is_spilled(keyed):
            yield keyed
            return
        key, batch = keyed
        if self._stream is None:  # a bundle without batches writes no file
            # A new name for each try of a bundle, so that none writes over the file of another.
            self._path = files.join(self._folder, uuid.uuid4().hex + SUFFIX)
            # Not synced: after a power cut the job begins anew, and needs no file of the one
            # before.
            self._stream = self._stack.enter_context(files.open_whole(self._path, synced=False))
        self._stream.write(batch)
        self._places.setdefault(key, []).append((self._offset, len(batch)))
        self._offset += len(batch)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        # Close the file first: a place that is handed on must be readable.
        self._stack.close()
        window = GlobalWindow()
        for key, places in self._places.items():
            spilled = Spilled(self._path, tuple(places))
            yield WindowedValue((key, spilled), window.max_timestamp(), [window])


def read_batches(batches: Iterable[bytes | Spilled]) -> Iterator[bytes]:
    """Yield the bytes of each batch. Raises ValueError when a file is too short."""
    for batch in batches:
        if isinstance(batch, bytes):
            yield batch
        else:
            yield from _read_spilled(batch)


def _read_spilled(spilled: Spilled) -> Iterator[bytes]:
    with files.open_read(spilled.path) as stream:
        for offset, length in spilled.places:
            stream.seek(offset)
            content = bytes(stream.read(length))
            if len(content) != length:
                raise ValueError(
                    f"{spilled.path} is cut off: {len(content)} of {length} bytes at {offset}; "
                    "run again"
                )
            yield content
