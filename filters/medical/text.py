"""Judge how medical a text is: the judge of captions, headlines and published rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from filters.batch import RowMask
from filters.joined_texts import (
    JoinedTexts,
    Words,
    find_words,
    joined_rows,
    lengths_of,
    rows_by_key,
)
from filters.medical.terms import (
    DEFUSED,
    LANGUAGES,
    UNKNOWN,
    WORDS,
    Finder,
    folded,
    make_finder,
    may_have_terms,
    parse_term,
    shipped_phrases,
    shipped_terms,
)
from filters.medical.words import WORD, load_words, words_of

# What CLD3 finds in a shorter text is chance: "TDM thoracique" is Portuguese to it.
MIN_CHARS_OF_LANGUAGE = 20
MIN_SUPPORTING = 2  # medical words that support each other, where the language is unknown


@dataclass(frozen=True, slots=True)
class MedicalText:
    """What is medical in a text.

    - `terms`: terms of the text's language.
    - `unsure`: terms that may be of another language, where nothing supports them.
    - `score`: how medical its words are, by learned weights.
    """

    terms: tuple[str, ...]
    unsure: tuple[str, ...]
    score: float


@dataclass(frozen=True)
class TextJudge:
    """Judges texts; made by `make_judge`."""

    finder: Finder

    def judge(self, text: str, language: str) -> MedicalText:
        """Judge a text. `language`: its code; one that is not shipped stands for unknown.

        The language of a very short text counts as unknown, except English.
        """
        language = _judged_as(language, len(text) >= MIN_CHARS_OF_LANGUAGE)
        matches = self.finder.find(text, language)
        words = words_of(matches.remaining_text)
        if language in LANGUAGES:
            return MedicalText(matches.terms, (), load_words(language).score_words(words))
        score = max(_score_of_unknown(words, known) for known in LANGUAGES) if words else 0.0
        terms, unsure = set(matches.terms), set[str]()
        for term_language, found in matches.unsure.items():
            # a term is one of its medical words itself, so that another one is support
            is_supported = term_language in LANGUAGES and load_words(term_language).medical_words(
                words
            ) > len(found)
            (terms if is_supported else unsure).update(found)
        return MedicalText(tuple(sorted(terms)), tuple(sorted(unsure - terms)), score)

    def may_find(
        self, texts: Sequence[str], languages: Sequence[str], score_from: float
    ) -> RowMask:
        """Which of many texts may have terms, or a score of `score_from` at least.

        `judge` finds neither in any other text. No text may hold BORDER.
        """
        found = np.zeros(len(texts), np.bool_)
        is_long = lengths_of(texts) >= MIN_CHARS_OF_LANGUAGE
        for language, rows in rows_by_key(languages, is_long, _judged_as).items():
            found[rows] = self._may_find(joined_rows(texts, rows), language, score_from)
        return found

    def _may_find(self, texts: JoinedTexts, language: str, score_from: float) -> RowMask:
        folded_texts = texts.changed(folded)
        number = len(folded_texts.texts)
        rows_by_kind = self.finder.rows_by_kind(folded_texts, language)
        found = may_have_terms(rows_by_kind, number)
        # a defused term that is taken out may leave parts of words
        found |= rows_by_kind.get(DEFUSED, False)
        words = find_words(folded_texts.changed(str.lower), WORD)
        known = "en" if language == UNKNOWN else language
        found |= load_words(known).may_reach(words, score_from)
        if language == UNKNOWN:
            for other in LANGUAGES[1:]:
                found |= _may_reach_unknown(words, other, score_from)
        return found


def _judged_as(language: str, is_long: bool) -> str:
    """The language in which a text is judged: its own, or UNKNOWN."""
    is_sure = language == "en" or is_long
    return language if is_sure and language in LANGUAGES else UNKNOWN


def _score_of_unknown(words: frozenset[str], language: str) -> float:
    """The score in a language, if two words at least are medical in it."""
    weights = load_words(language)
    if language != "en" and weights.medical_words(words) < MIN_SUPPORTING:
        return 0.0
    return weights.score_words(words)


def _may_reach_unknown(words: Words, language: str, score_from: float) -> RowMask:
    """The texts for which `_score_of_unknown` may reach `score_from` in a language."""
    weights = load_words(language)
    supported = weights.may_support(words, MIN_SUPPORTING)
    return supported & weights.may_reach(words.of(supported), score_from)


@lru_cache(4)
def make_judge(extra_terms: tuple[str, ...] = (), extra_defused: tuple[str, ...] = ()) -> TextJudge:
    """The judge with the shipped lists and these terms; made once a process for its settings.

    Extra terms count in every language.
    """
    terms = [*shipped_terms(), *shipped_phrases()]
    terms += [parse_term(entry, WORDS) for entry in extra_terms]
    terms += [parse_term(entry, DEFUSED) for entry in extra_defused]
    return TextJudge(make_finder(tuple(terms), with_ambiguous=True))
