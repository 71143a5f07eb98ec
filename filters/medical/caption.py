"""Medical words in a caption."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from filters.detector import Columns, Needs, Observe
from filters.medical.terms import DEFUSED, WORDS, make_finder, shipped_phrases, shipped_terms, term
from filters.medical.words import load_words
from pairsieve.records.pair import Evidence, Pair

WEIGHED = ("en", "")  # the weights are of English words; where CLD3 is not sure, it may be English


@dataclass(frozen=True)
class MedicalCaption:
    """`medical_terms`: words and phrases of the lists in eight languages, and English names from
    the dictionaries. `medical_words`: how medical the English words are by learned weights; from
    about 0.9 on a caption is medical more often than not.

    `extra_terms` and `extra_defused` are added to the shipped lists (terms.yaml says how they are
    written).
    """

    name: ClassVar[str] = "medical_caption"
    version: ClassVar[int] = 3
    needs: ClassVar[Needs] = Needs.PAIR
    columns: ClassVar[Columns] = {
        "medical_terms": pa.list_(pa.string()),
        "medical_words": pa.float32(),
    }

    extra_terms: tuple[str, ...] = ()
    extra_defused: tuple[str, ...] = ()

    def load(self) -> Observe:
        own = (
            *(term(t, WORDS) for t in self.extra_terms),
            *(term(t, DEFUSED) for t in self.extra_defused),
        )
        finder, words = make_finder((*shipped_terms(), *shipped_phrases(), *own)), load_words()

        def observe(pair: Pair) -> Evidence:
            found = finder.find(pair.caption)
            weighed = words.score(found.defused) if pair.language in WEIGHED else 0.0
            return {"medical_terms": found.terms, "medical_words": weighed}

        return observe
