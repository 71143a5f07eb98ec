"""The rule that keeps rare concepts whole and thins out frequent ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from filters.rule import Action, Decision, Readable
from pairsieve.records.privacy import Public

OTHER = "other"
"""Stands in `most_pairs` for every language that is not named."""


@dataclass(frozen=True)
class Balance:
    """Keep about as many pairs of frequent concepts as of rarer ones.

    For each concept that a caption names a draw is made, and the pair stays where one succeeds.
    Draws succeed with the probability t / count, where count is how many pairs name the concept; up
    to t pairs all stay. This is how MetaCLIP balances (Xu et al., "Demystifying CLIP Data", 2023,
    algorithm 1; t was 20,000 for 400 million pairs). A draw is a hash of the pair's key and the
    concept: each run draws the same, and with a larger t every pair stays that stayed before.

    `most_pairs`: t of each language; `other` stands for all that are not named. So a frequent
    language takes nothing from others. A language without a t is not balanced.

    `unmatched`: what becomes of captions that name no concept of a list. MetaCLIP drops them.
    """

    name: ClassVar[str] = "balance"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("concepts", "concept_pairs")
    actions: ClassVar[tuple[Action, ...]] = (Action.DROP,)
    saves_request: ClassVar[bool] = False
    says_nothing_of_people: ClassVar[bool] = True

    most_pairs: Public[Mapping[str, Annotated[int, Field(ge=1)]]]
    unmatched: Public[Literal["keep", "drop"]]

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        most = self.most_pairs.get(evidence["language"], self.most_pairs.get(OTHER))
        if most is None:
            return
        concepts, pairs = evidence["concepts"], evidence["concept_pairs"]
        if not concepts:
            if self.unmatched == "drop":
                yield Decision(Action.DROP, "concept_none")
            return
        key: bytes = evidence["key"]
        for concept, count in zip(concepts, pairs, strict=True):
            if count <= most or drawn(key, concept) < most / count:
                return
        yield Decision(Action.DROP, "concept_frequent", score=min(pairs))


def drawn(key: bytes, concept: str) -> float:
    """A number from 0 to 1 that is the same whenever it is drawn for a pair and a concept."""
    digest = hashlib.blake2b(concept.encode(), key=key, digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
