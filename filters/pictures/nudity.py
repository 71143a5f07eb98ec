"""The rule on nudity."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from filters.batch import RowMask, SampleColumns, is_there, numbers
from filters.rule import Action, Decision, Readable
from pairsieve.records.privacy import Public


@dataclass(frozen=True)
class Nudity:
    """Drop pictures whose `punsafe` is `drop_from` or more; tag those of `tag_from` or more.

    Makers of cleaned LAION copies used 0.95 (together with words) and 0.45. Calibrate the
    thresholds for the head in use.
    """

    name: ClassVar[str] = "nudity"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("punsafe",)
    actions: ClassVar[tuple[Action, ...]] = (Action.DROP, Action.TAG)
    saves_request: ClassVar[bool] = False

    drop_from: Public[float]
    tag_from: Public[float]

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        punsafe: float | None = evidence["punsafe"]
        # Picture detectors look at no picture that the rule `similarity` drops.
        if punsafe is None:
            return
        # `not <` and not `>=`: a score of NaN cannot be judged and is dropped
        if not punsafe < self.drop_from:
            yield Decision(Action.DROP, "nudity", score=punsafe)
        elif punsafe >= self.tag_from:
            yield Decision(Action.TAG, "nudity_possible", score=punsafe)

    def speaks(self, columns: SampleColumns) -> RowMask:
        """The rows with a score that is not below both thresholds."""
        punsafe = columns["punsafe"]
        mask: RowMask = ~(numbers(punsafe) < min(self.drop_from, self.tag_from))
        return mask & is_there(punsafe)
