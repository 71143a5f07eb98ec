"""Detect captions about children."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from filters.children.text import make_child_judge
from filters.detector import Columns, Needs, Observe
from pairsieve.records.pair import Evidence, Pair


@dataclass(frozen=True)
class ChildrenCaption:
    """Signs of a child in a caption, by words, names and ages of the caption's language.

    - `child_signs`: the kinds of signs that are enough alone, such as `age` or `own_child`.
    - `child_signs_weak`: the kinds of others.

    No sign holds a word of the caption. `extra_terms` and `extra_defused` are added to the lists
    `clear` and `defused` of terms.yaml, for every language.
    """

    name: ClassVar[str] = "children_caption"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.PAIR
    columns: ClassVar[Columns] = {
        "child_signs": pa.list_(pa.string()),
        "child_signs_weak": pa.list_(pa.string()),
    }

    extra_terms: tuple[str, ...] = ()
    extra_defused: tuple[str, ...] = ()

    def load(self) -> Observe:
        judge = make_child_judge(self.extra_terms, self.extra_defused).judge

        def observe(pair: Pair) -> Evidence:
            found = judge(pair.caption, pair.language)
            return {"child_signs": found.clear, "child_signs_weak": found.weak}

        return observe
