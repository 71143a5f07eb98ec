"""How well picture and caption must agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from filters.rule import Action, Decision, Readable
from pairsieve.records.privacy import Public


@dataclass(frozen=True)
class Similarity:
    """Drop pairs whose cosine similarity is below the threshold of their subset.

    LAION-400M: 0.30 (ViT-B/32); LAION-5B: 0.28 for `en`, 0.26 for `multi` and `nolang`. Thresholds
    belong to a model.
    """

    name: ClassVar[str] = "similarity"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ()
    actions: ClassVar[tuple[Action, ...]] = (Action.DROP,)
    saves_request: ClassVar[bool] = False

    thresholds: Public[Mapping[str, float]]

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        similarity: float = evidence["similarity"]
        if not similarity >= self.thresholds[evidence["subset"]]:  # NaN is no similarity
            yield Decision(Action.DROP, "similarity_low", score=similarity)
