"""Decodes the pictures of images, some batches ahead of the model."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from pairsieve.attempt import Failure, attempt
from pairsieve.images.decode import Undecodable
from pairsieve.images.prepare import Prepared, prepare
from pairsieve.images.processes import Crashed, Task
from pairsieve.records.sample import Image
from transforms.score.scorer import PICTURE_SIDE, Scorer

Item = TypeVar("Item")
Started = TypeVar("Started")
Finished = TypeVar("Finished")


@dataclass(frozen=True, slots=True)
class DecodedPicture:
    """An image, and its prepared pixels or why there are none."""

    image: Image
    result: Prepared | Undecodable | Failure


def decode_ahead(
    images: Sequence[Image], read: Callable[[Image], bytes], scorer: Scorer
) -> Iterator[DecodedPicture]:
    """Decode pictures, in order. The first ones are started before this function returns."""
    # Detectors need a copy of the picture; without them it is not made.
    small_side = PICTURE_SIDE if scorer.observe_picture else None
    processes = scorer.processes

    def start(image: Image) -> tuple[Image, Task[Prepared | Undecodable] | None]:
        content = attempt(read, image, reads_storage=True)
        if isinstance(content, Failure):
            return image, None
        task = processes.submit(prepare, content, scorer.decode, scorer.squares, small_side)
        return image, task

    def finish(started: tuple[Image, Task[Prepared | Undecodable] | None]) -> DecodedPicture:
        image, task = started
        if task is None:
            return DecodedPicture(image, Undecodable("unreadable"))
        # The decoding process has its own network guard, so none is needed here.
        result = attempt(processes.result, task, reads_storage=True)
        if isinstance(result, Crashed):
            return DecodedPicture(image, Undecodable("decoder_crashed"))
        return DecodedPicture(image, result)

    return ahead(images, start, finish, scorer.depth)


def ahead(
    items: Iterable[Item],
    start: Callable[[Item], Started],
    finish: Callable[[Started], Finished],
    depth: int,
) -> Iterator[Finished]:
    """Results in order, with up to `depth` items under way. The first are started by this call."""
    waiting = iter(items)
    running = deque(start(item) for item in islice(waiting, depth))

    # An inner generator, because a generator function would start nothing before it is iterated.
    def results() -> Iterator[Finished]:
        while running:
            result = finish(running.popleft())
            for item in islice(waiting, 1):
                running.append(start(item))
            yield result

    return results()
