"""Score how medical the words of a text are, by learned weights; no weight was chosen by hand.

The weight of a word is log10 of a ratio: how often the word stands in the names, synonyms and
definitions of medical ontologies, to how often it stands in everyday English. Words that are more
everyday than medical have negative weights. make_words.py makes the table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from math import fsum, sqrt

# One word of less weight is no evidence by itself: "anterior", "radius".
STRONG = 2.0
# A text of fewer words counts as one of so many: few words are no surer for being few.
MIN_WORDS = 4
_WORD = re.compile(r"[^\W\d_]{2,}")
TABLE = "words.tsv"


@dataclass(frozen=True)
class WordWeights:
    """Lower-case word -> weight; a word that is not in the table weighs nothing."""

    weights: dict[str, float]

    def score(self, text: str) -> float:
        """Sum of the weights of the distinct words, over the root of the number of distinct words.

        It is 0 for a text without a strong word and with less than two words of positive weight.
        """
        words = set(_WORD.findall(text.lower()))
        weights = [self.weights[word] for word in words if word in self.weights]
        positive = [weight for weight in weights if weight > 0]
        if len(positive) < 2 and max(positive, default=0.0) < STRONG:
            return 0.0
        # fsum: the order of a set differs between processes, and so would the last digit of sum
        return fsum(weights) / sqrt(max(len(words), MIN_WORDS))


def load_words() -> WordWeights:
    """Load the shipped table."""
    text = files("filters.medical").joinpath(TABLE).read_text("utf-8")
    weights: dict[str, float] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            word, weight = line.split("\t")
            weights[word] = float(weight)
    return WordWeights(weights)
