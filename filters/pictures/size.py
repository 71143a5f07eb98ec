"""The rule on the size of pictures, in bytes and in pixels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from filters.batch import RowMask, SampleColumns, numbers
from filters.rule import Action, Decision, Readable
from pairsieve.records.privacy import Public


@dataclass(frozen=True)
class ImageSize:
    """Drop pictures that are too small or too large.

    - `min_bytes`: of the file as served. LAION: 5,000.
    - `min_side`: pixels of the shorter side. LAION-5B had no minimum.
    - `max_pixels`: width times height. LAION-5B: 89,478,484.
    """

    name: ClassVar[str] = "image_size"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ()
    actions: ClassVar[tuple[Action, ...]] = (Action.DROP,)
    saves_request: ClassVar[bool] = False

    min_bytes: Public[int]
    min_side: Public[int]
    max_pixels: Public[int]

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        width, height = evidence["width"], evidence["height"]
        size_bytes: int = evidence["size_bytes"]
        shorter_side, pixels = min(width, height), width * height
        if size_bytes < self.min_bytes:
            yield Decision(Action.DROP, "image_bytes_low", score=size_bytes)
        if shorter_side < self.min_side:
            yield Decision(Action.DROP, "image_side_short", score=shorter_side)
        if pixels > self.max_pixels:
            yield Decision(Action.DROP, "image_pixels_many", score=pixels)

    def speaks(self, columns: SampleColumns) -> RowMask:
        """The rows that are at a limit or beyond it, and those that lack a size."""
        width, height = numbers(columns["width"]), numbers(columns["height"])
        # With > and <, because pixels of more than 2^53 are rounded.
        is_large_enough = numbers(columns["size_bytes"]) > self.min_bytes
        is_wide_enough = np.minimum(width, height) > self.min_side
        is_small_enough = width * height < self.max_pixels
        mask: RowMask = ~(is_large_enough & is_wide_enough & is_small_enough)
        return mask
