"""Detect medical words in a caption."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from filters.detector import Columns, Needs, Observe
from filters.medical.terms import (
    DEFUSED,
    WORDS,
    make_finder,
    parse_term,
    shipped_phrases,
    shipped_terms,
)
from filters.medical.words import load_words
from pairsieve.records.pair import Evidence, Pair

# The weights are of English words. An empty language means that CLD3 was not sure, so the caption
# may be English.
WEIGHED_LANGUAGES = ("en", "")


@dataclass(frozen=True)
class MedicalCaption:
    """Medical words in a caption.

    - `medical_terms`: words and phrases of the lists in eight languages, and English names of
      diseases and signs from dictionaries.
    - `medical_words`: how medical the English words are, by learned weights. From about 0.9 on a
      caption is medical more often than not.

    `extra_terms` and `extra_defused` are added to the shipped lists; terms.yaml explains how they
    are written.
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
        terms = [*shipped_terms(), *shipped_phrases()]
        terms += [parse_term(entry, WORDS) for entry in self.extra_terms]
        terms += [parse_term(entry, DEFUSED) for entry in self.extra_defused]
        finder = make_finder(terms)
        words = load_words()

        def observe(pair: Pair) -> Evidence:
            matches = finder.find(pair.caption)
            score = 0.0
            if pair.language in WEIGHED_LANGUAGES:
                score = words.score(matches.remaining_text)
            return {"medical_terms": matches.terms, "medical_words": score}

        return observe
