"""How medical the words of a text are: each word's weight was learned from medical ontologies, none
was chosen by hand.

A weight is log10 of how much more often a word stands in the names, synonyms and definitions of the
ontologies than in everyday English; `make_words.py` says how the table is made. Words that are more
everyday than medical count against.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from math import sqrt

STRONG = 2.0  # one word of less weight tells nothing by itself: "anterior", "radius"
SHORTEST = 4  # words; the few words of a shorter text are no surer for being few
_WORD = re.compile(r"[^\W\d_]{2,}")
TABLE = "words.tsv"


@dataclass(frozen=True)
class WordWeights:
    """Weights by word, lower case; words that are not there weigh nothing."""

    weights: dict[str, float]

    def score(self, text: str) -> float:
        """The weights of the distinct words, summed, over the root of how many words there are; 0
        where none or one tells.
        """
        words = set(_WORD.findall(text.lower()))
        found = [weight for word in words if (weight := self.weights.get(word))]
        if sum(weight > 0 for weight in found) < 2 and max(found, default=0.0) < STRONG:
            return 0.0
        return sum(found) / sqrt(max(len(words), SHORTEST))


def load_words() -> WordWeights:
    """The shipped table."""
    lines = files("filters.medical").joinpath(TABLE).read_text("utf-8").splitlines()
    pairs = (line.split("\t") for line in lines if not line.startswith("#"))
    return WordWeights({word: float(weight) for word, weight in pairs})
