"""Judge how medical a text is: the judge of captions, headlines and published rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from filters.medical.terms import (
    DEFUSED,
    LANGUAGES,
    UNKNOWN,
    WORDS,
    Finder,
    make_finder,
    parse_term,
    shipped_phrases,
    shipped_terms,
)
from filters.medical.words import load_words, words_of

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
        if language != "en" and len(text) < MIN_CHARS_OF_LANGUAGE:
            language = UNKNOWN
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


def _score_of_unknown(words: frozenset[str], language: str) -> float:
    """The score in a language, if two words at least are medical in it."""
    weights = load_words(language)
    if language != "en" and weights.medical_words(words) < MIN_SUPPORTING:
        return 0.0
    return weights.score_words(words)


@lru_cache(4)
def make_judge(extra_terms: tuple[str, ...] = (), extra_defused: tuple[str, ...] = ()) -> TextJudge:
    """The judge with the shipped lists and these terms; made once a process for its settings.

    Extra terms count in every language.
    """
    terms = [*shipped_terms(), *shipped_phrases()]
    terms += [parse_term(entry, WORDS) for entry in extra_terms]
    terms += [parse_term(entry, DEFUSED) for entry in extra_defused]
    return TextJudge(make_finder(tuple(terms), with_ambiguous=True))
