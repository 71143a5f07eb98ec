"""Weigh words by how often medical texts hold them, and how often everyday texts do.

make_words.py explains the weights.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from importlib import import_module
from math import log10

MIN_WEIGHT = 0.5  # a word is listed when its weight is above it, or below its negative
MAX_WEIGHT, MIN_NEGATIVE_WEIGHT = 3.0, -0.5  # weights are cut off here
MIN_COUNT = 2  # in the ontologies, for a word of positive weight
MIN_SHARE = 1e-8  # everyday share of a word that wordfreq does not know
# Only common words get negative weights, because a rare one may be a name. A Zipf value is log10 of
# the occurrences among a billion words.
MIN_NEGATIVE_ZIPF = 3.5
MAX_NEGATIVE_ZIPF = 5.7  # articles and prepositions are no evidence of either kind
EVERYDAY_WORDS = 40_000
MIN_TELLING_WEIGHT = 1.0  # "blue eyes" and "family history" stand in the ontologies too
# A clear word (ontology_names.py) weighs this much at least, unless everyday texts hold it 10 ** 3
# times in a billion words or more: they speak of diseases, too.
CLEAR_WEIGHT, MAX_CLEAR_ZIPF = 2.5, 3.0
WORD = re.compile(r"[^\W\d_]{2,}")


def shares(texts: Iterable[str]) -> dict[str, float]:
    """Word -> its share among the words of some texts, for words that stand there twice or more."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(WORD.findall(text.lower()))
    total = counts.total()
    return {word: count / total for word, count in counts.items() if count >= MIN_COUNT}


def weigh(texts: Iterable[str], frequency: Mapping[str, float]) -> dict[str, float]:
    """Word -> weight, for the words whose weight is far enough from 0.

    `frequency`: word -> its share in everyday English, for common words and those in `texts`.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(WORD.findall(text.lower()))
    total = counts.total()
    weights: dict[str, float] = {}
    for word in counts.keys() | frequency.keys():
        count = counts[word]
        everyday_share = max(frequency.get(word, 0.0), MIN_SHARE)
        # half an occurrence for a word that the ontologies do not hold, since log10(0) is undefined
        medical_share = (count or 0.5) / total
        weight = weight_of(medical_share, everyday_share)
        is_common = everyday_share >= 10 ** (MIN_NEGATIVE_ZIPF - 9)
        if count >= MIN_COUNT and weight > MIN_WEIGHT:
            weights[word] = min(weight, MAX_WEIGHT)
        # one occurrence is too few to tell a word's share
        elif count != 1 and weight < -MIN_WEIGHT and is_common:
            weights[word] = max(weight, MIN_NEGATIVE_WEIGHT)
    return weights


def weight_of(medical_share: float, everyday_share: float) -> float:
    """How much a word tells: 1.0 if it is ten times as frequent in medical texts."""
    return log10(medical_share / max(everyday_share, MIN_SHARE))


def weigh_shares(
    medical: Mapping[str, float], neutral: Collection[str], frequency: Mapping[str, float]
) -> dict[str, float]:
    """Word -> weight, as `weigh`, from the medical shares of words.

    Common words without a medical share have a negative weight, except `neutral` ones and those
    that are about as common as articles.
    """
    weights: dict[str, float] = {}
    for word, share in medical.items():
        weight = weight_of(share, frequency.get(word, 0.0))
        if weight > MIN_WEIGHT:
            weights[word] = min(weight, MAX_WEIGHT)
    for word, share in frequency.items():
        is_common = 10 ** (MIN_NEGATIVE_ZIPF - 9) <= share < 10 ** (MAX_NEGATIVE_ZIPF - 9)
        is_medical = log10(medical.get(word, MIN_SHARE) / share) > -MIN_WEIGHT
        if is_common and not is_medical and word not in neutral:
            weights[word] = MIN_NEGATIVE_WEIGHT
    return weights


def is_rare(word: str, frequency: Mapping[str, float]) -> bool:
    """Whether everyday texts hardly hold a word."""
    return frequency.get(word, 0.0) < 10 ** (MAX_CLEAR_ZIPF - 9)


def with_least_weight(weights: Mapping[str, float], words: Iterable[str]) -> dict[str, float]:
    """The weights, and CLEAR_WEIGHT for those of `words` that weigh less or nothing."""
    result = dict(weights)
    for word in words:
        result[word] = max(CLEAR_WEIGHT, result.get(word, 0.0))
    return result


def everyday_frequency(texts: Iterable[str]) -> dict[str, float]:
    """The everyday shares of common English words, and of the words in `texts`."""
    wordfreq = import_module("wordfreq")
    common = wordfreq.top_n_list("en", EVERYDAY_WORDS)
    words = {word for word in common if WORD.fullmatch(word)}
    for text in texts:
        words.update(WORD.findall(text.lower()))
    return {word: wordfreq.word_frequency(word, "en") for word in words}


def all_frequencies(language: str) -> dict[str, float]:
    """The everyday shares of all words that wordfreq knows in a language."""
    known: dict[str, float] = import_module("wordfreq").get_frequency_dict(language, "best")
    return {word: share for word, share in known.items() if WORD.fullmatch(word)}
