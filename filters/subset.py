"""The rule on which language subsets are published."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from filters.batch import RowMask, SampleColumns, truth
from filters.rule import Action, Decision, Readable
from pairsieve.records.privacy import Public


@dataclass(frozen=True)
class Subset:
    """Drop pairs of other subsets than those in `keep`.

    The subsets are `en`, `multi` and `nolang`. LAION-400M and LAION-2B-en kept only `en`.
    """

    name: ClassVar[str] = "subset"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ()
    actions: ClassVar[tuple[Action, ...]] = (Action.DROP,)
    saves_request: ClassVar[bool] = True

    keep: Public[tuple[str, ...]]

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        if evidence["subset"] not in self.keep:
            yield Decision(Action.DROP, "subset_not_wanted")

    def speaks(self, columns: SampleColumns) -> RowMask:
        """The rows of other subsets."""
        wanted = pa.array(self.keep, pa.string())
        return ~truth(pc.is_in(columns["subset"], wanted))
