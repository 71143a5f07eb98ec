"""Which of the subsets (en, multi, nolang) are wanted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from filters.rule import Action, Decision, Readable
from pairsieve.records.privacy import Public


@dataclass(frozen=True)
class Subset:
    """Keep the pairs of these subsets; LAION-400M and LAION-2B-en took `en` alone."""

    name: ClassVar[str] = "subset"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ()
    actions: ClassVar[tuple[Action, ...]] = (Action.DROP,)
    saves_request: ClassVar[bool] = True

    keep: Public[tuple[str, ...]]

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        if evidence["subset"] not in self.keep:
            yield Decision(Action.DROP, "subset_not_wanted")
