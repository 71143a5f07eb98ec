"""Leave out stock photographs, by their captions.

A detector counts the telltale words of a caption, and a rule drops pairs with too many.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from pairsieve.api import (
    Action,
    Columns,
    Decision,
    Evidence,
    Needs,
    Observe,
    Pair,
    Public,
    Readable,
)


@dataclass(frozen=True)
class WatermarkWords:
    """`watermark_words`: how many of `words` a caption contains."""

    name: ClassVar[str] = "watermark_words"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.PAIR
    columns: ClassVar[Columns] = {"watermark_words": pa.int32()}

    words: Public[tuple[str, ...]] = ("stock photo", "royalty free", "editorial image")

    def load(self) -> Observe:
        def observe(pair: Pair) -> Evidence:
            caption = pair.caption.lower()
            return {"watermark_words": sum(word in caption for word in self.words)}

        return observe


@dataclass(frozen=True)
class Watermark:
    """Drop pairs whose caption contains more than `most` of these words."""

    name: ClassVar[str] = "watermark"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("watermark_words",)
    actions: ClassVar[tuple[Action, ...]] = (Action.DROP,)
    saves_request: ClassVar[bool] = True

    most: Public[int]

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        count: int = evidence["watermark_words"]
        if count > self.most:
            yield Decision(Action.DROP, "watermark_words", score=count)
