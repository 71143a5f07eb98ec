"""How many pairs each language has, and the rule that limits them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import pyarrow as pa
from pydantic import Field

from filters.balance.rule import OTHER, drawn
from filters.batch import RowMask, SampleColumns, numbers
from filters.detector import Columns, Needs, Observe
from filters.rule import Action, Decision, Readable
from filters.subjects import ComparedPart
from pairsieve.records.pair import Evidence
from pairsieve.records.privacy import Public

NO_LANGUAGE = "nolang"
"""Stands in `most_pairs` for captions whose language is not sure, as the subset does."""
_DRAW = "\0language"
"""What a draw is for. No concept has this name, so that the draws of `balance` are others."""


@dataclass(frozen=True)
class LanguagePairs:
    """`language_pairs`: how many pairs are in the caption's language.

    Those pairs count that no other rule drops. Captions whose language is not sure are counted as a
    language of their own.
    """

    name: ClassVar[str] = "language_pairs"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.SAMPLES
    columns: ClassVar[Columns] = {"language_pairs": pa.int64()}

    def load(self) -> Observe:
        def observe(part: ComparedPart) -> Evidence:
            pairs = [part.language_pairs.get(language, 0) for language in part.languages]
            return {"language_pairs": pairs}

        return observe


@dataclass(frozen=True)
class LanguageQuota:
    """Keep about as many pairs of a language as its quota, of those that no other rule drops.

    A pair stays with the probability quota / count, where count is how many pairs are in its
    language. The draw is a hash of the pair's key: each run draws the same, and with a larger quota
    every pair stays that stayed before.

    `most_pairs`: the quota of each language, by its code in the column LANGUAGE; `nolang` stands
    for captions whose language is not sure, and `other` for all that are not named. A language
    without a quota is not limited.

    Rules that read what the stage `compare` finds do not change the count: beside `balance` or
    `near_duplicate` fewer pairs stay.
    """

    name: ClassVar[str] = "language_quota"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("language_pairs",)
    actions: ClassVar[tuple[Action, ...]] = (Action.DROP,)
    saves_request: ClassVar[bool] = False
    says_nothing_of_people: ClassVar[bool] = True

    most_pairs: Public[Mapping[str, Annotated[int, Field(ge=0)]]]

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        language = evidence["language"] or NO_LANGUAGE
        quota = self.most_pairs.get(language, self.most_pairs.get(OTHER))
        count = evidence["language_pairs"]
        if quota is None or count <= quota:
            return
        if drawn(evidence["key"], _DRAW) >= quota / count:
            yield Decision(Action.DROP, "language_frequent", score=count)

    def speaks(self, columns: SampleColumns) -> RowMask:
        """The rows whose language has more pairs than the least quota, and those without count."""
        least = min(self.most_pairs.values(), default=0)
        mask: RowMask = ~(numbers(columns["language_pairs"]) <= least)
        return mask
