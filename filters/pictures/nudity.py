"""How much nudity is too much."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from filters.rule import Action, Decision, Readable
from pairsieve.records.privacy import Public


@dataclass(frozen=True)
class Nudity:
    """Drop pictures whose `punsafe` is at least `drop_from`, tag those from `tag_from` on.

    0.95 (together with words) and 0.45 are limits that makers of cleaned LAION copies used;
    calibrate them for the head in use.
    """

    name: ClassVar[str] = "nudity"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("punsafe",)
    actions: ClassVar[tuple[Action, ...]] = (Action.DROP, Action.TAG)
    saves_request: ClassVar[bool] = False

    drop_from: Public[float]
    tag_from: Public[float]

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        punsafe: float = evidence["punsafe"]
        if not punsafe < self.drop_from:  # NaN cannot be judged, so it is dropped
            yield Decision(Action.DROP, "nudity", score=punsafe)
        elif punsafe >= self.tag_from:
            yield Decision(Action.TAG, "nudity_possible", score=punsafe)
