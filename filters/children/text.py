"""Judge whether a text is about children: the judge of captions, headlines and published rows.

Few words are about a child alone: "Kids bedroom", "Class A" and "12 years old" are not. So the
words of terms.yaml, given names and ages are put together (signs.py), within one language each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa

from filters.batch import RowMask
from filters.children import glance
from filters.children.ages import find_ages
from filters.children.names import find_names
from filters.children.reading import (
    DIGIT,
    MAX_CHARS,
    Reading,
    folded_with_capitals,
    gap,
    may_have_signs,
)
from filters.children.signs import Sign, find_signs
from filters.children.terms import LANGUAGES, extra_terms, sign_words, vocabulary
from filters.folding import with_blanks
from filters.joined_texts import JoinedTexts
from filters.medical.automaton import Term
from filters.text_batch import TextBatch, rows_by_key

# What CLD3 finds in a shorter text is often wrong, except English.
MIN_CHARS_OF_LANGUAGE = 40
GOODS_CHARS = 30  # between a sign and what is sold: some five words


@dataclass(frozen=True, slots=True)
class ChildText:
    """What in a text is about children: kinds of clear signs, and of weak ones; both sorted.

    They are names of signs and never words of the text, which may name a child.
    """

    clear: tuple[str, ...]
    weak: tuple[str, ...]


@dataclass(frozen=True)
class ChildJudge:
    """Judges texts; made by `make_child_judge`. `extra`: terms of a config."""

    extra: tuple[Term, ...] = ()

    def judge(self, text: str, language: str) -> ChildText:
        """Judge a text. `language`: its code; one that is not shipped stands for unknown.

        A short text is read in every language, unless it is English. What one language defuses
        then counts in none.
        """
        text = text[:MAX_CHARS]
        clear: set[str] = set()
        weak: set[str] = set()
        for reading in self._readings(text, language):
            for sign in find_signs(reading):
                (clear if _is_clear(sign, reading) else weak).add(sign.what)
        return ChildText(tuple(sorted(clear)), tuple(sorted(weak - clear)))

    def may_be_clear(self, texts: TextBatch, languages: pa.ChunkedArray) -> RowMask:
        """Which of many texts may have clear signs; `judge` finds none in any other text.

        Only texts without BORDER are read right.
        """
        # What is cut off may be part of a word, and in texts that grow no place is sure.
        is_other = (texts.chars > MAX_CHARS) | texts.longer_in_lower_case
        found = is_other.copy()
        is_long = texts.chars >= MIN_CHARS_OF_LANGUAGE
        for read_in, among in rows_by_key(languages, is_long, _read_in).items():
            words = texts.words.among(among & ~is_other)
            may = glance.may_have_signs(words, texts.with_digits, sign_words(read_in, self.extra))
            rows = np.flatnonzero(may)
            if rows.size:
                found[rows] = self._glance(texts.joined(rows), read_in).may_be_clear()
        return found

    def _glance(self, texts: JoinedTexts, languages: tuple[str, ...]) -> glance.Glance:
        cased = texts.changed(with_blanks).without_outer_blanks()
        lower = cased.changed(str.lower)
        terms = vocabulary(languages, self.extra).automaton
        places = terms.places_by_kind(lower, with_whole_words=True)
        return glance.Glance(lower, cased, places, languages)

    def _readings(self, text: str, language: str) -> Iterator[Reading]:
        lower, cased = folded_with_capitals(text)
        languages = _read_in(language, len(text) >= MIN_CHARS_OF_LANGUAGE)
        words = vocabulary(languages, self.extra)
        matches = words.find(lower)
        digit = DIGIT.search(lower) is not None
        ages_of = find_ages(lower, languages)
        kinds = {match.term.kind for match in matches}
        has_age = any(ages_of.values())
        # names are looked for last, since this takes longest
        if not may_have_signs(kinds, has_age, True, digit):
            return
        names = find_names(cased)
        # Most texts with a digit and nothing else end here, before each language reads them.
        if not may_have_signs(kinds, has_age, bool(names[0]), digit):
            return
        for code in languages:
            ages = ages_of.get(code, ())
            is_known = code == language
            terms = words.by_kind(matches, code, is_known)
            kinds = {kind for kind, places in terms.items() if places}
            if may_have_signs(kinds, bool(ages), bool(names[0]), digit):
                yield Reading(lower, cased, code, is_known, terms, *names, ages)


def _read_in(language: str, is_long: bool) -> tuple[str, ...]:
    """The languages in which a text is read: its own, or all of them."""
    is_sure = language == "en" or (language in LANGUAGES and is_long)
    return (language,) if is_sure else LANGUAGES


def _is_clear(sign: Sign, reading: Reading) -> bool:
    """Whether a sign is enough alone, with regard to what is sold, drawn or built beside it."""
    if sign.weakened_by is None or not sign.clear:
        return sign.clear
    things = reading.places(*sign.weakened_by)
    return not any(gap(sign.place, thing) <= GOODS_CHARS for thing in things)


@lru_cache(4)
def make_child_judge(terms: Iterable[str] = (), defused: Iterable[str] = ()) -> ChildJudge:
    """The judge with the shipped lists and these terms, which count in every language."""
    return ChildJudge(extra_terms(terms, defused))
