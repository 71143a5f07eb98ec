"""Captions of stock photographs: a detector counts their tell-tale words, a rule drops pairs that
have too many.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from filters.detector import Columns, Needs, Observe
from filters.rule import Action, Decision, Readable
from pairsieve.records.privacy import Public


@dataclass(frozen=True)
class WatermarkWords:
    """`watermark_words`: how many of `words` a caption holds."""

    name: ClassVar[str] = "watermark_words"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.PAIR
    columns: ClassVar[Columns] = {"watermark_words": pa.int32()}

    words: Public[tuple[str, ...]] = ("stock photo", "royalty free", "editorial image")

    def load(self) -> Observe:
        return lambda pair: {
            "watermark_words": sum(word in pair.caption.lower() for word in self.words)
        }


@dataclass(frozen=True)
class Watermark:
    """Drop pairs whose caption holds more than `most` of those words."""

    name: ClassVar[str] = "watermark"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("watermark_words",)
    actions: ClassVar[tuple[Action, ...]] = (Action.DROP,)
    saves_request: ClassVar[bool] = True

    most: Public[int]

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        if evidence["watermark_words"] > self.most:
            yield Decision(Action.DROP, "watermark_words", score=evidence["watermark_words"])
