"""Detect medical words in a caption."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from filters.detector import Columns, Needs, Observe
from filters.medical.text import make_judge
from pairsieve.records.pair import Evidence, Pair


@dataclass(frozen=True)
class MedicalCaption:
    """Medical words in a caption.

    - `medical_terms`: words and phrases of the lists, in the caption's language; where there is
      none, two weak signs that are clear together (cues.py).
    - `medical_terms_unsure`: the same where the language is unknown and nothing supports them.
    - `medical_words`: how medical the words are, by learned weights of the caption's language. From
      about 0.9 on a caption is medical more often than not.

    `extra_terms` and `extra_defused` are added to the shipped lists, for every language; terms.yaml
    explains how they are written.
    """

    name: ClassVar[str] = "medical_caption"
    version: ClassVar[int] = 9
    needs: ClassVar[Needs] = Needs.PAIR
    columns: ClassVar[Columns] = {
        "medical_terms": pa.list_(pa.string()),
        "medical_terms_unsure": pa.list_(pa.string()),
        "medical_words": pa.float32(),
    }

    extra_terms: tuple[str, ...] = ()
    extra_defused: tuple[str, ...] = ()

    def load(self) -> Observe:
        judge = make_judge(self.extra_terms, self.extra_defused).judge

        def observe(pair: Pair) -> Evidence:
            found = judge(pair.caption, pair.language)
            return {
                "medical_terms": found.terms,
                "medical_terms_unsure": found.unsure,
                "medical_words": found.score,
            }

        return observe
