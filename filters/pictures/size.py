"""How large a picture must and may be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from filters.rule import Action, Decision, Readable
from pairsieve.records.privacy import Public


@dataclass(frozen=True)
class ImageSize:
    """Bytes as served and pixels.

    LAION: at least 5,000 bytes; LAION-5B: at most 89,478,484 pixels, no minimum.
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
        if evidence["size_bytes"] < self.min_bytes:
            yield Decision(Action.DROP, "image_bytes_low", score=evidence["size_bytes"])
        if min(width, height) < self.min_side:
            yield Decision(Action.DROP, "image_side_short", score=min(width, height))
        if width * height > self.max_pixels:
            yield Decision(Action.DROP, "image_pixels_many", score=width * height)
