"""Judge how medical a text is: the judge of captions, headlines and published rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa

from filters.batch import RowMask
from filters.folding import folded
from filters.joined_texts import JoinedTexts, WordsByRuns, find_words
from filters.medical.automaton import DEFUSED
from filters.medical.cognates import skeletons
from filters.medical.cues import may_be_together, terms_together
from filters.medical.term_words import DEFUSED_IN_WORD
from filters.medical.terms import (
    LANGUAGES,
    UNKNOWN,
    WORDS,
    Finder,
    have_terms_near,
    make_finder,
    may_have_terms,
    parse_term,
    shipped_phrases,
    shipped_terms,
)
from filters.medical.words import (
    MIN_RARE_CHARS,
    MIN_WORD_CHARS,
    STRONG,
    TELLING,
    WORD,
    load_cognates,
    load_words,
    words_of,
)
from filters.places import Places
from filters.text_batch import TextBatch, rows_by_key

# What CLD3 finds in a shorter text is chance: "TDM thoracique" is Portuguese to it.
MIN_CHARS_OF_LANGUAGE = 20
# How names of diseases and procedures of Greek and Latin origin end in the shipped languages.
_ENDINGS_OF_NAMES = (
    "ia", "ie", "ies", "ias", "ien", "ja", "je", "oma", "om", "ome", "omas", "omi", "osi", "ose",
    "osen", "oza", "asi", "ase", "asen", "aza", "ite", "ites", "iti", "is", "us", "um", "ismo",
    "isme", "ismos", "izm",
)  # fmt: skip
MIN_SUPPORTING = 2  # medical words that support each other, where the language is unknown


@dataclass(frozen=True, slots=True)
class MedicalText:
    """What is medical in a text.

    - `terms`: terms of the text's language; where there is none, two weak signs that are clear
      together (cues.py).
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
            weights = load_words(language)
            # one clear term is enough, and most medical captions have one
            found_terms = matches.terms or terms_together(
                matches.cues, matches.remaining_text, weights
            )
            return MedicalText(found_terms, (), weights.score_words(words))
        score = _score_of_unknown(words)
        terms, unsure = set(matches.terms), set[str]()
        for term_language, found in matches.unsure.items():
            # a term is one of its medical words itself, so that another one is support
            is_supported = term_language in LANGUAGES and load_words(term_language).medical_words(
                _words_of_unknown(words, term_language)
            ) > len(found)
            (terms if is_supported else unsure).update(found)
        return MedicalText(tuple(sorted(terms)), tuple(sorted(unsure - terms)), score)

    def may_find(self, texts: TextBatch, languages: pa.ChunkedArray, score_from: float) -> RowMask:
        """Which of many texts may have terms, or a score of `score_from` at least.

        `judge` finds neither in any other text. Only texts without BORDER are read right.
        """
        found = np.zeros(len(texts), np.bool_)
        is_long = texts.chars >= MIN_CHARS_OF_LANGUAGE
        for language, among in rows_by_key(languages, is_long, _judged_as).items():
            found |= among & self._may_find(texts, texts.words.among(among), language, score_from)
        return found

    def _may_find(
        self, texts: TextBatch, letters: WordsByRuns, language: str, score_from: float
    ) -> RowMask:
        by_words = self.finder.rows_by_words(letters, language)
        words = letters.of_length(MIN_WORD_CHARS)
        may_have = _may_have_terms(by_words, words, language)
        rows = np.flatnonzero(may_have)
        if rows.size:
            may_have[rows] = self._may_have_terms_near(texts.joined(rows).changed(folded), language)
        if language == UNKNOWN:
            return may_have | _may_reach_in_any(words, score_from)
        has_defused = by_words.get(DEFUSED, np.zeros(len(texts), np.bool_))
        return may_have | _may_reach(words, language, score_from, has_defused)

    def _may_have_terms_near(self, texts: JoinedTexts, language: str) -> RowMask:
        """The same of folded texts, by the places of the terms."""
        places = self.finder.places_by_kind(texts, language)
        found = have_terms_near(places, texts)
        if DEFUSED in places:
            found |= _leave_words(places[DEFUSED])
        if language != UNKNOWN:
            rows_by_kind = {kind: of_kind.mask for kind, of_kind in places.items()}
            words = find_words(texts, WORD)
            found |= may_be_together(rows_by_kind, words, load_words(language))
        return found


def _judged_as(language: str, is_long: bool) -> str:
    """The language in which a text is judged: its own, or UNKNOWN."""
    is_sure = language == "en" or is_long
    return language if is_sure and language in LANGUAGES else UNKNOWN


def _words_of_unknown(words: frozenset[str], language: str) -> frozenset[str]:
    """The words of a text as one of a language, without medical ones that are everyday elsewhere.

    "pattern" is a word of medicine in French, and one of everyday life in English.
    """
    if language == "en":
        return words
    weights = load_words(language).weights
    return frozenset(
        word for word in words if weights.get(word, 0.0) <= 0 or not _is_everyday_word(word)
    )


@lru_cache(50_000)
def _is_everyday_word(word: str) -> bool:
    """Whether a word is everyday in a shipped language, or English and not clearly medical."""
    is_plain_english = load_words("en").weights.get(word, TELLING) < TELLING
    return is_plain_english or any(
        load_words(language).weights.get(word, 0.0) < 0 for language in LANGUAGES
    )


def _score_of_unknown(words: frozenset[str]) -> float:
    """The highest score of words in any language.

    Without a word that tells a language has the score 0.
    """
    languages: set[str] = set()
    for word in words:
        languages.update(_languages_in_which_it_tells(word))
    in_english = load_words("en").score_words(words)
    in_others = [_score_as_one_of(words, language) for language in languages]
    return max(in_english, 0.0, *in_others)


@lru_cache(50_000)
def _languages_in_which_it_tells(word: str) -> tuple[str, ...]:
    """The languages other than English whose tables say that a word is medical, or in which it is
    a rare name of something medical.
    """
    tables = tuple(
        language
        for language in LANGUAGES[1:]
        if load_words(language).weights.get(word, 0.0) >= TELLING
    )
    return tables or _languages_of_rare_name(word)


@lru_cache(50_000)
def _languages_of_rare_name(word: str) -> tuple[str, ...]:
    """The languages in which a word that no table holds has a clearly medical English cognate.

    Tables hold every word that is not rare, and so the everyday ones that look like a medical one.
    The word must end as names of diseases and procedures do ("opisthorchiase", "megalencefalia").
    """
    if len(word) < MIN_RARE_CHARS or not word.endswith(_ENDINGS_OF_NAMES):
        return ()
    if any(word in load_words(language).weights for language in LANGUAGES):
        return ()
    cognates = load_cognates()
    return tuple(
        language
        for language, bones in skeletons(word, LANGUAGES[1:])
        if cognates.get(bones, 0.0) >= STRONG
    )


def _score_as_one_of(words: frozenset[str], language: str) -> float:
    """The score in a language that is not English, if two words at least are medical in it, or
    one is everywhere.
    """
    words = _words_of_unknown(words, language)
    weights = load_words(language)
    if weights.medical_words(words) < MIN_SUPPORTING:
        strong = weights.strong_words(words)
        rare_names = (word for word in words if language in _languages_of_rare_name(word))
        if not any(map(_is_medical_everywhere, (*strong, *rare_names))):
            return 0.0
    return weights.score_words(words)


@lru_cache(50_000)
def _is_medical_everywhere(word: str) -> bool:
    """Whether a word has a clearly medical English cognate, and no shipped language uses it for
    anything else ("ösophagitis", "diverticulite").
    """
    if len(word) < MIN_RARE_CHARS:
        return False
    cognates = load_cognates()
    is_cognate = any(
        cognates.get(bones, 0.0) >= STRONG for _, bones in skeletons(word, LANGUAGES[1:])
    )
    return is_cognate and all(_is_no_everyday_word(word, language) for language in LANGUAGES)


def _is_no_everyday_word(word: str, language: str) -> bool:
    known = load_words(language)
    return known.weights.get(word, STRONG) >= TELLING and word not in known.directions


def _may_have_terms(
    rows_by_kind: Mapping[str, RowMask], words: WordsByRuns, language: str
) -> RowMask:
    """The texts that may have terms, by the kinds of terms and the folded words in them."""
    found = may_have_terms(rows_by_kind, words.texts)
    # a defused term that is taken out of a word may leave another word
    found |= rows_by_kind.get(DEFUSED_IN_WORD, False)
    if language != UNKNOWN:
        found |= may_be_together(rows_by_kind, words, load_words(language))
    return found


def _leave_words(defused: Places) -> RowMask:
    """The texts in which a defused term is a part of a word, and what is left of it is a word."""
    starts, ends = defused.texts.words_around(defused.starts, defused.ends)
    before, behind = defused.starts - starts, ends - defused.ends
    return defused.only((before >= MIN_WORD_CHARS) | (behind >= MIN_WORD_CHARS)).mask


def _may_reach(
    words: WordsByRuns, language: str, score_from: float, has_defused: RowMask
) -> RowMask:
    """The texts of a known language whose score may reach `score_from`."""
    weights = load_words(language)
    may_reach = weights.may_reach(words, score_from)
    # of a text with a defused term fewer words are scored, and those may score more
    reaches = weights.reach(words.of(may_reach & ~has_defused), score_from)
    return reaches | (may_reach & has_defused)


def _may_reach_in_any(words: WordsByRuns, score_from: float) -> RowMask:
    """The texts for which `_score_of_unknown` may reach `score_from`."""
    found = load_words("en").may_reach(words, score_from)
    has_rare_name = words.texts_with(lambda word: bool(_languages_of_rare_name(word)))
    for language in LANGUAGES[1:]:
        weights = load_words(language)
        supported = weights.may_support(words, MIN_SUPPORTING) | weights.may_be_strong(words)
        supported |= has_rare_name
        found |= supported & weights.may_reach(words.of(supported), score_from)
    return found


@lru_cache(4)
def make_judge(extra_terms: tuple[str, ...] = (), extra_defused: tuple[str, ...] = ()) -> TextJudge:
    """The judge with the shipped lists and these terms; made once a process for its settings.

    Extra terms count in every language.
    """
    terms = [*shipped_terms(), *shipped_phrases()]
    terms += [parse_term(entry, WORDS) for entry in extra_terms]
    terms += [parse_term(entry, DEFUSED) for entry in extra_defused]
    return TextJudge(make_finder(tuple(terms), with_ambiguous=True))
