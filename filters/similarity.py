"""The rule on how well a picture and its caption must agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from filters.batch import RowMask, SampleColumns, numbers
from filters.rule import Action, Decision, Readable
from pairsieve.records.privacy import Public


@dataclass(frozen=True)
class Similarity:
    """Drop samples whose cosine similarity is below the threshold of their language or subset.

    `thresholds`: subset -> lowest similarity that is kept. LAION-400M used 0.30 (ViT-B/32).
    LAION-5B used 0.28 for `en`, and 0.26 for `multi` and `nolang`. A threshold fits one model only:
    another model needs its own. A model's similarities also differ from language to language: the
    code of a language, as the column LANGUAGE has it, counts before the subset that it is in.
    """

    name: ClassVar[str] = "similarity"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ()
    actions: ClassVar[tuple[Action, ...]] = (Action.DROP,)
    saves_request: ClassVar[bool] = False

    thresholds: Public[Mapping[str, float]]

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        similarity: float = evidence["similarity"]
        threshold = self.thresholds.get(evidence["language"])
        if threshold is None:
            threshold = self.thresholds[evidence["subset"]]
        # `not >=` and not `<`: a similarity of NaN must be dropped too
        if not similarity >= threshold:
            yield Decision(Action.DROP, "similarity_low", score=similarity)

    def speaks(self, columns: SampleColumns) -> RowMask:
        """The rows below their threshold, and those that lack a similarity or a threshold."""
        subsets, languages = columns["subset"].to_pylist(), columns["language"].to_pylist()
        thresholds = np.array(
            [
                self.thresholds.get(language, self.thresholds.get(subset, np.nan))
                for language, subset in zip(languages, subsets, strict=True)
            ],
            float,
        )
        mask: RowMask = ~(numbers(columns["similarity"]) >= thresholds)
        return mask
