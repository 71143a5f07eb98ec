"""Hashes the pictures of a folder, which may be anything, in processes that may be killed.

With models it also makes their vectors.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pairsieve.erasure.requests import EXAMPLES
from pairsieve.images.decode import Decoded, decode
from pairsieve.images.pdq import orientations_of
from pairsieve.images.prepare import Pixels, Square, squared
from pairsieve.images.processes import Crashed, Processes, Task
from pairsieve.storage import files

if TYPE_CHECKING:
    from pairsieve.clip.encoder import Encoder

WAITING_PER_PROCESS = 4
"""Pictures that are read ahead for each process."""
AT_ONCE = 256
"""Pictures that are held as pixels until their vectors are made: 40 MB at 224 pixels a side."""


@dataclass(frozen=True)
class PreparedPicture:
    """The hashes of a picture in all orientations, and its pixels for each model.

    Both are empty for what is no picture, and for one that shows too little for a hash.
    """

    hashes: tuple[bytes, ...] = ()
    squares: tuple[Pixels, ...] = ()


@dataclass(frozen=True)
class HashedPicture:
    """A file, the hashes of its picture, and its unit vector (d,) by each model.

    There are up to 16 hashes: of each orientation, with and without borders. A file that is no
    picture, or shows too little, has neither hashes nor vectors.
    """

    name: str
    hashes: tuple[bytes, ...]
    vectors: Mapping[str, NDArray[np.float32]]


def hash_pictures(folder: str, encoders: Sequence[Encoder] = ()) -> Iterator[HashedPicture]:
    """Yield each file below a folder, sorted by name, with the vectors of some models."""
    squares = tuple(encoder.square for encoder in encoders)
    batch: list[tuple[str, PreparedPicture]] = []
    for prepared in _prepared_in(folder, squares):
        batch.append(prepared)
        if len(batch) == AT_ONCE:
            yield from _with_vectors(batch, encoders)
            batch = []
    yield from _with_vectors(batch, encoders)


def _with_vectors(
    batch: Sequence[tuple[str, PreparedPicture]], encoders: Sequence[Encoder]
) -> Iterator[HashedPicture]:
    vectors_of: list[dict[str, NDArray[np.float32]]] = [{} for _ in batch]
    # The places in the batch of files that are pictures.
    places = [place for place, (_, prepared) in enumerate(batch) if prepared.squares]
    if places:
        for number, encoder in enumerate(encoders):
            pixels = [batch[place][1].squares[number] for place in places]
            vectors = encoder.pictures(pixels)
            for place, vector in zip(places, vectors, strict=True):
                vectors_of[place][str(encoder.identity)] = vector
    for (name, prepared), vectors_by_model in zip(batch, vectors_of, strict=True):
        yield HashedPicture(name, prepared.hashes, vectors_by_model)


def _prepared_in(folder: str, squares: tuple[Square, ...]) -> Iterator[tuple[str, PreparedPicture]]:
    """Yield each file below a folder with its hashes and pixels."""
    number = os.cpu_count() or 1
    processes = Processes(number)
    waiting: deque[tuple[str, Task[PreparedPicture]]] = deque()
    try:
        for name in files.files_below(folder):
            with files.open_read(files.join(folder, name)) as stream:
                content = stream.read()
            waiting.append((name, processes.submit(prepare_picture, content, squares)))
            # Results are taken in the order of the names, so the first is waited for.
            if len(waiting) > number * WAITING_PER_PROCESS:
                yield _first(processes, waiting)
        while waiting:
            yield _first(processes, waiting)
    finally:
        processes.close()


def _first(
    processes: Processes, waiting: deque[tuple[str, Task[PreparedPicture]]]
) -> tuple[str, PreparedPicture]:
    name, task = waiting.popleft()
    prepared = processes.result(task)
    if isinstance(prepared, Crashed):
        # A file that ends its process counts as no picture.
        return name, PreparedPicture()
    return name, prepared


def prepare_picture(content: bytes, squares: tuple[Square, ...]) -> PreparedPicture:
    """Hash a picture in all orientations and resize it for models."""
    picture = decode(content, EXAMPLES)
    hashes = orientations_of(picture.image) if isinstance(picture, Decoded) else ()
    if not isinstance(picture, Decoded) or not hashes:
        return PreparedPicture()
    pixels = tuple(np.asarray(squared(picture.image, square)) for square in squares)
    return PreparedPicture(hashes, pixels)
