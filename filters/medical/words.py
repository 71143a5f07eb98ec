"""Score how medical the words of a text are, by learned weights; no weight was chosen by hand.

The weight of a word is log10 of a ratio: how often the word stands in medical vocabularies, to how
often it stands in everyday texts of its language. Words that are more everyday than medical have
negative weights. make_words.py makes the table of each language.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from math import fsum, sqrt
from struct import Struct

import numpy as np
import yaml
from numpy.typing import NDArray

from filters.batch import RowMask
from filters.joined_texts import Words, WordsByRuns
from filters.medical.cognates import skeleton

COGNATES = "cognates.tsv"
NO_EVIDENCE_ALONE = ("directions.yaml", "everyday_words.yaml")

# One word of less weight is no evidence by itself: "anterior", "radius".
STRONG = 2.0
TELLING = 1.0  # such a word supports a term, where the language of a text is unknown
# A text of fewer words counts as one of so many: few words are no surer for being few.
MIN_WORDS = 4
MIN_RARE_CHARS = 7  # of a word that is weighed by its cognate
MIN_WORD_CHARS = 2
WORD = re.compile(rf"[^\W\d_]{{{MIN_WORD_CHARS},}}")
_SINGLE = Struct("f")
_ROUNDING = 1e-6  # more than the relative error of single precision


@dataclass(frozen=True)
class RareWords:
    """Weighs words that a table lacks, by their English cognates ("macroglossie": "macroglossia").

    `weights`: skeleton (cognates.py) -> weight of the English word. `language`: that of the words.
    A table holds weight 0 for each everyday word whose skeleton is that of a medical one.
    """

    weights: Mapping[str, float]
    language: str

    def weight(self, word: str) -> float | None:
        """The weight of a word; None where it has no medical cognate."""
        if len(word) < MIN_RARE_CHARS:
            return None
        return self.weights.get(_skeleton(word, self.language))


# Captions repeat words, and a skeleton costs some microseconds.
_skeleton = lru_cache(50_000)(skeleton)


@dataclass(frozen=True)
class WordWeights:
    """Weighs the words of one language.

    - `weights`: lower-case word -> weight; a word that is not in the table weighs nothing, or what
      `rare_words` says.
    - `directions`: words of direction, shape and the like, which are no evidence without another
      medical word; see directions.yaml and everyday_words.yaml.
    """

    weights: Mapping[str, float]
    directions: frozenset[str] = frozenset()
    rare_words: RareWords | None = None

    def score(self, text: str) -> float:
        """How medical a text is; see `score_words`."""
        return self.score_words(words_of(text))

    def score_words(self, words: Collection[str]) -> float:
        """Sum of the weights of distinct words, over the root of the number of these words.

        It is 0 for a text without a strong word and with less than two words of positive weight,
        and for a text whose telling words are all directions.
        """
        weights = self.weigh(words)
        found = [weight for weight in weights if weight is not None]
        positive = [weight for weight in found if weight > 0]
        if len(positive) < 2 and max(positive, default=0.0) < STRONG:
            return 0.0
        if self._are_directions(words, weights):
            return 0.0
        # fsum: the order of a set differs between processes, and so would the last digit of sum
        return fsum(found) / sqrt(max(len(words), MIN_WORDS))

    def may_reach(self, words: Words | WordsByRuns, threshold: float) -> RowMask:
        """The texts whose score may reach a threshold, by their words of positive weight alone.

        `score_words` never exceeds half of their sum, because it divides by 2 at least.
        """
        # None becomes NaN
        weights = np.array(self.weigh(words.distinct), np.float64)
        positive = np.nan_to_num(np.maximum(weights, 0.0))
        told = words.only(positive > 0)
        has_two = told.sums(positive > 0) >= 2
        has_strong = told.texts_with_any(positive >= STRONG)
        most = told.sums(positive) / sqrt(MIN_WORDS)
        # A little less, for what is lost where numbers are rounded.
        is_enough = most >= threshold * (1 - _ROUNDING)
        # A text with no medical word has the score 0.
        every_text = threshold <= 0
        return ((has_two | has_strong) & is_enough) | every_text

    def reach(self, words: Words, threshold: float) -> RowMask:
        """The texts whose score reaches a threshold, and those that miss it by a rounding."""
        # None becomes NaN, and then 0
        weights = np.nan_to_num(np.array(self.weigh(words.distinct), np.float64))
        is_direction = np.array([word in self.directions for word in words.distinct], np.bool_)
        tells = (weights >= TELLING) & ~is_direction
        each_once = words.once()
        number = each_once.sums(np.ones(len(weights)))
        score = each_once.sums(weights) / np.sqrt(np.maximum(number, MIN_WORDS))
        has_telling = each_once.sums(tells) > 0
        is_enough = score >= threshold * (1 - _ROUNDING) - _ROUNDING
        every_text = threshold <= 0
        return np.asarray((has_telling & is_enough) | every_text, np.bool_)

    def may_support(self, words: Words | WordsByRuns, least: int) -> RowMask:
        """The texts of which `medical_words` says that so many words are medical."""
        is_telling = self._listed(words.distinct) >= TELLING
        return np.asarray(words.only(is_telling).sums(is_telling) >= least, np.bool_)

    def may_be_strong(self, words: Words | WordsByRuns) -> RowMask:
        """The texts of which `strong_words` finds words."""
        is_strong = self._listed(words.distinct) >= STRONG
        return words.only(is_strong).texts_with_any(is_strong)

    def strong_words(self, words: Collection[str]) -> list[str]:
        """Those of these words that may be evidence by themselves."""
        return [word for word in words if self.weights.get(word, 0.0) >= STRONG]

    def medical_words(self, words: Collection[str]) -> int:
        """How many of these words are more medical than everyday by a factor of ten."""
        found = map(self.weights.get, words)
        return len([weight for weight in found if weight is not None and weight >= TELLING])

    def _listed(self, words: Sequence[str]) -> NDArray[np.float64]:
        """The weights of words in the table; NaN for those that it lacks."""
        return np.array(list(map(self.weights.get, words)), np.float64)

    def weigh(self, words: Collection[str]) -> list[float | None]:
        """The weights of words, in the same order; None for those that weigh nothing."""
        weights = list(map(self.weights.get, words))
        if self.rare_words is None or None not in weights:
            return weights
        rare = self.rare_words.weight
        return [
            rare(word) if weight is None else weight
            for word, weight in zip(words, weights, strict=True)
        ]

    def _are_directions(self, words: Collection[str], weights: Sequence[float | None]) -> bool:
        """Whether no telling word is anything but a direction."""
        return not any(
            weight is not None and weight >= TELLING and word not in self.directions
            for word, weight in zip(words, weights, strict=True)
        )


def reaches(score: float, threshold: float) -> bool:
    """Whether a score reaches a threshold, in the single precision that columns hold.

    0.9 read from a column is a little less than 0.9: without this, a judge that reads the column
    and one that scores the text itself would disagree. False for NaN.
    """
    return _single(score) >= _single(threshold)


def _single(number: float) -> float:
    (value,) = _SINGLE.unpack(_SINGLE.pack(number))
    return float(value)


def words_of(text: str) -> frozenset[str]:
    """The distinct words of a text, in lower case."""
    return frozenset(WORD.findall(text.lower()))


def table_name(language: str) -> str:
    """The file name of a language's table."""
    return f"words_{language}.tsv"


@lru_cache(16)  # one entry a language
def load_words(language: str = "en") -> WordWeights:
    """Load the shipped table of a language."""
    weights = _read_weights(table_name(language))
    # make_words.py weighs every word of the English vocabularies, and so every cognate
    rare_words = None if language == "en" else RareWords(load_cognates(), language)
    return WordWeights(weights, load_directions().get(language, frozenset()), rare_words)


@lru_cache(1)
def load_cognates() -> Mapping[str, float]:
    """Load the shipped skeletons of medical words, and their weights."""
    return _read_weights(COGNATES)


@lru_cache(1)
def load_directions() -> Mapping[str, frozenset[str]]:
    """Load directions.yaml and everyday_words.yaml: language -> words of both."""
    found: dict[str, frozenset[str]] = {}
    for name in NO_EVIDENCE_ALONE:
        text = files("filters.medical").joinpath(name).read_text("utf-8")
        lists: dict[str, str] = yaml.safe_load(text)
        for language, words in lists.items():
            listed = frozenset(word.strip() for word in words.split(","))
            found[language] = found.get(language, frozenset()) | listed
    return found


def _read_weights(name: str) -> dict[str, float]:
    text = files("filters.medical").joinpath(name).read_text("utf-8")
    weights: dict[str, float] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            word, weight = line.split("\t")
            weights[word] = float(weight)
    return weights
