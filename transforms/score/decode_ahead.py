"""Decodes the pictures of images, some batches ahead of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pairsieve.ahead import ahead
from pairsieve.attempt import Failure, attempt
from pairsieve.images.decode import Undecodable
from pairsieve.images.prepare import Prepared, prepare
from pairsieve.images.processes import Crashed, Task
from pairsieve.records.sample import Image
from transforms.score.scorer import PICTURE_SIDE, Scorer


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
