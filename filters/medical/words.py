"""Score how medical the words of a text are, by learned weights; no weight was chosen by hand.

The weight of a word is log10 of a ratio: how often the word stands in medical vocabularies, to how
often it stands in everyday texts of its language. Words that are more everyday than medical have
negative weights. make_words.py makes the table of each language.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from math import fsum, sqrt

# One word of less weight is no evidence by itself: "anterior", "radius".
STRONG = 2.0
TELLING = 1.0  # such a word supports a term, where the language of a text is unknown
# A text of fewer words counts as one of so many: few words are no surer for being few.
MIN_WORDS = 4
_WORD = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True)
class WordWeights:
    """Lower-case word -> weight; a word that is not in the table weighs nothing."""

    weights: dict[str, float]

    def score(self, text: str) -> float:
        """How medical a text is; see `score_words`."""
        return self.score_words(words_of(text))

    def score_words(self, words: Collection[str]) -> float:
        """Sum of the weights of distinct words, over the root of the number of these words.

        It is 0 for a text without a strong word and with less than two words of positive weight.
        """
        found = [weight for weight in map(self.weights.get, words) if weight is not None]
        positive = [weight for weight in found if weight > 0]
        if len(positive) < 2 and max(positive, default=0.0) < STRONG:
            return 0.0
        # fsum: the order of a set differs between processes, and so would the last digit of sum
        return fsum(found) / sqrt(max(len(words), MIN_WORDS))

    def medical_words(self, words: Collection[str]) -> int:
        """How many of these words are more medical than everyday by a factor of ten."""
        found = map(self.weights.get, words)
        return len([weight for weight in found if weight is not None and weight >= TELLING])


def words_of(text: str) -> frozenset[str]:
    """The distinct words of a text, in lower case."""
    return frozenset(_WORD.findall(text.lower()))


def table_name(language: str) -> str:
    """The file name of a language's table."""
    return f"words_{language}.tsv"


@lru_cache(16)  # one entry a language
def load_words(language: str = "en") -> WordWeights:
    """Load the shipped table of a language."""
    text = files("filters.medical").joinpath(table_name(language)).read_text("utf-8")
    weights: dict[str, float] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            word, weight = line.split("\t")
            weights[word] = float(weight)
    return WordWeights(weights)
