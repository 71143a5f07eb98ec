"""Find two weak signs of different kinds that are clear together.

Captions of figures in medical articles often hold no word of the lists, and too few words of weight
to reach a score: "Left knee showing a high-riding patella". They hold a cue of terms.yaml and

- a word of learned weight. For the cue `figure`, the language of figures in articles ("(arrow)",
  "photomicrograph"), it may stand anywhere in the caption. For `imaging`, `harm` and `treatment` it
  must be near, as near as a part of the body;
- or, beside `figure`, one of these three near it ("case 2, two months after the operation").

The thresholds come from captions of others, half of them kept apart: see docs/benchmarks.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from filters.batch import RowMask
from filters.joined_texts import Words, WordsByRuns
from filters.medical.automaton import Hit
from filters.medical.near import NearPlaces
from filters.medical.terms import FIGURE, NEAR_WORDS
from filters.medical.words import STRONG, TELLING, WORD, WordWeights

MIN_TRANSLATED = 1.5  # log10: a word of another language than English is 30 times more medical


class TellingWord(NamedTuple):
    """Characters [start, end) of a folded text that are a word which tells; see `tells`."""

    start: int
    end: int


def terms_together(cues: Sequence[Hit], text: str, weights: WordWeights) -> tuple[str, ...]:
    """The first pair of weak signs in a folded text that are clear together.

    It is written as "(arrow) + patella". `cues`: hits of the kinds CUES. The text must hold blanks
    in place of defused terms.
    """
    if not cues:
        return ()
    words = list(telling_words(text, weights))
    near_cues, near_words = NearPlaces(cues), NearPlaces(words)
    other_words = _OtherWords(words, text)
    for cue in cues:
        written = text[cue.start : cue.end]
        signs: list[Hit | TellingWord] = []
        if cue.term.kind == FIGURE:
            signs += [other for other in near_cues.near(cue) if other.term.kind != FIGURE]
            signs += other_words.first_outside(cue, written)
        else:
            signs += near_words.near(cue)
        for sign in signs:
            other = text[sign.start : sign.end]
            # "weakness of attitude becomes weakness of character" holds no signs of two kinds
            if other != written:
                return (f"{written} + {other}",)
    return ()


class _OtherWords:
    """The words of a text that are written otherwise than a cue, listed once for each cue."""

    def __init__(self, words: Sequence[TellingWord], text: str) -> None:
        self._words = words
        self._text = text
        self._lists: dict[str, list[TellingWord]] = {}

    def first_outside(self, cue: Hit, written: str) -> list[TellingWord]:
        """The first such word that is no part of a cue, if there is one."""
        if written not in self._lists:
            self._lists[written] = [
                word for word in self._words if self._text[word.start : word.end] != written
            ]
        for word in self._lists[written]:
            if word.end <= cue.start or cue.end <= word.start:
                return [word]
        return []


def telling_words(text: str, weights: WordWeights) -> Iterator[TellingWord]:
    """The words of a folded text that tell."""
    matches = list(WORD.finditer(text))
    told = tells([match[0] for match in matches], weights)
    for match, is_telling in zip(matches, told, strict=True):
        if is_telling:
            yield TellingWord(match.start(), match.end())


def tells(words: Iterable[str], weights: WordWeights) -> list[bool]:
    """Whether each word is clearly more medical than everyday.

    A word that is no evidence alone ("posterior", "upper") needs a factor of 100 (STRONG), English
    words one of 10 (TELLING). In other languages many weights come from translations, and everyday
    words have small ones ("ontwikkeld"): their words need MIN_TRANSLATED.
    """
    listed = list(words)
    least = TELLING if weights.rare_words is None else MIN_TRANSLATED
    told = []
    for word, weight in zip(listed, weights.weigh(listed), strict=True):
        needed = STRONG if word in weights.directions else least
        told.append(weight is not None and weight >= needed)
    return told


def may_be_together(
    rows_by_kind: Mapping[str, RowMask], words: Words | WordsByRuns, weights: WordWeights
) -> RowMask:
    """The texts in which `terms_together` may find something.

    `rows_by_kind`: which texts have a term of a kind. `words`: those of the folded texts.
    """
    none = np.zeros(words.texts, np.bool_)
    has_figure = rows_by_kind.get(FIGURE, none)
    has_other = none.copy()
    for kind in NEAR_WORDS:
        has_other |= rows_by_kind.get(kind, none)
    beside_cues = words.of(has_figure | has_other)
    told = np.array(tells(beside_cues.distinct, weights), np.bool_)
    return beside_cues.texts_with_any(told) | (has_figure & has_other)
