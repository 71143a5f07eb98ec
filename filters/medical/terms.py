"""Find medical words and phrases in a text, in one pass.

The terms are the editable lists of terms.yaml and of a config, and the phrases of dictionaries.

Some terms are medical only near each other: a part of the body is not medical, and neither is
"before and after", but both together are. Others are medical beside a word of learned weight
(cues.py).

A term counts in its own language: "sarna" is scabies in Spanish and a deer in Polish. Where the
language of a text is not known, a term needs support, or is unsure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from itertools import chain
from typing import NamedTuple

import numpy as np
import yaml

from filters.batch import RowMask
from filters.folding import folded, without_dashes
from filters.joined_texts import JoinedTexts, WordsByRuns
from filters.medical.automaton import DEFUSED, Automaton, Hit, Term, make_automaton
from filters.medical.near import NEAR_CHARS, NearPlaces
from filters.medical.term_words import TermWords, make_term_words
from filters.places import Places, both, no_places

PHRASES, AMBIGUOUS = "phrases.txt", "ambiguous.tsv"
# Kinds of terms, beside DEFUSED: such a term looks medical and is not.
WORDS, ANATOMY = "words", "anatomy"
TREATMENT, CHANGE = "treatment", "change"
# kinds that are medical near a part of the body
NEAR_ANATOMY = ("imaging", "harm", TREATMENT, CHANGE)
# the language of figures in articles: "(arrow)", "photomicrograph"
FIGURE = "figure"
# kinds that are medical near a word of learned weight, and near the language of figures
NEAR_WORDS = ("imaging", "harm", TREATMENT)
CUES = (FIGURE, *NEAR_WORDS)
LANGUAGES = ("en", "de", "es", "fr", "it", "nl", "pl", "pt")
EVERY_LANGUAGE = ""  # the language of terms that count in every language
UNKNOWN = "unknown"  # the language of a text


class TermMatches(NamedTuple):
    """What `Finder.find` found in a text.

    - `terms`: words that are medical alone, and pairs of terms near each other, written as
      "knee + swollen".
    - `unsure`: the same for a text of an unknown language, where nothing else supports them.
      Language -> terms.
    - `remaining_text`: the folded text, with blanks in place of defused terms.
    - `cues`: hits of the kinds CUES; none for a text of an unknown language.
    """

    terms: tuple[str, ...]
    unsure: Mapping[str, tuple[str, ...]]
    remaining_text: str
    cues: tuple[Hit, ...] = ()


def parse_term(entry: str, kind: str, language: str = "") -> Term:
    """The term that a list entry means; `*` stands for any letters before or behind it."""
    entry = entry.strip()
    text = entry.lower().strip("*")
    return Term(
        text=without_dashes(text),
        open_before=entry.startswith("*"),
        open_behind=entry.endswith("*"),
        kind=kind,
        language=language,
    )


@lru_cache(1)
def shipped_terms() -> tuple[Term, ...]:
    """Every term of terms.yaml."""
    text = files("filters.medical").joinpath("terms.yaml").read_text("utf-8")
    # language -> kind -> entries separated by commas; also `defused` -> entries
    lists: dict[str, Mapping[str, str] | str] = yaml.safe_load(text)
    terms: dict[Term, None] = {}  # an ordered set
    for name, kinds in lists.items():
        language = name if name in LANGUAGES else EVERY_LANGUAGE
        entries_by_kind = kinds if isinstance(kinds, Mapping) else {DEFUSED: kinds}
        for kind, entries in entries_by_kind.items():
            for entry in entries.split(","):
                term = parse_term(entry, kind, language)
                terms |= {term: None, _with_plain_capital(term): None}
    return tuple(terms)


def _with_plain_capital(term: Term) -> Term:
    """A French term as captions write it that begin with a capital without accent ("Epilepsie")."""
    if term.language == "fr" and term.text.startswith("é"):
        return term._replace(text="e" + term.text[1:])
    return term


@lru_cache(1)
def shipped_ambiguous() -> frozenset[tuple[str, str]]:
    """(language, word) of every word that is a term of the language and means something else in
    another one; make_words.py lists them.
    """
    text = files("filters.medical").joinpath(AMBIGUOUS).read_text("utf-8")
    rows = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
    return frozenset((language, word) for language, word in rows)


@lru_cache(1)
def shipped_phrases() -> tuple[Term, ...]:
    """English names of diseases and signs from dictionaries; make_words.py says which."""
    text = files("filters.medical").joinpath(PHRASES).read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    # phrases.txt is written in folded form, so these lines need no parsing
    return tuple(Term(line, False, False, WORDS, "en") for line in lines)


@dataclass(frozen=True)
class Finder:
    """Finds terms in texts; made by `make_finder`.

    - `terms`: every term. The automaton of a language is made when a text needs it: a text of a
      known language meets the terms of this language and those of every language alone.
    - `ambiguous`: (language, word) of the terms that need support where the language is unknown.
    """

    terms: tuple[Term, ...]
    ambiguous: frozenset[tuple[str, str]] = frozenset()
    _automatons: dict[str, Automaton] = field(default_factory=dict, compare=False, repr=False)
    _term_words: dict[str, TermWords] = field(default_factory=dict, compare=False, repr=False)

    def find(self, text: str, language: str = "en") -> TermMatches:
        """The medical terms in a text, and the text without its defused terms.

        Every `language` that is none of LANGUAGES stands for an unknown one.
        """
        text = folded(text)
        hits = self.hits(text, language if language in LANGUAGES else UNKNOWN)
        if not hits:
            return TermMatches((), {}, text)
        hidden = _characters_of((hit for hit in hits if hit.term.kind == DEFUSED), text)
        # No part of a term may be hidden. Defused terms hide themselves.
        hits = [hit for hit in hits if not any(hidden[hit.start : hit.end])]
        remaining_text = _blanked(text, hidden)
        if language in LANGUAGES:
            cues = tuple(hit for hit in hits if hit.term.kind in CUES)
            return TermMatches(_sorted(_medical(hits, text)), {}, remaining_text, cues)
        return self._of_unknown_language(hits, text, remaining_text)

    def hits(self, text: str, language: str = UNKNOWN) -> list[Hit]:
        """The terms in a folded text that count in a language; UNKNOWN: those of all languages."""
        if language == UNKNOWN:
            # English has most of the terms, and its automaton need not be made twice
            return [*self.hits(text, "en"), *self._automaton(UNKNOWN).hits(text)]
        return list(self._automaton(language).hits(text))

    def places_by_kind(self, texts: JoinedTexts, language: str) -> Mapping[str, Places]:
        """Kind -> the places of folded texts that may be terms of it which count in a language."""
        places = dict(self._automaton(language).places_by_kind(texts))
        if language == UNKNOWN:
            for kind, others in self.places_by_kind(texts, "en").items():
                places[kind] = both(places[kind], others) if kind in places else others
        return places

    def rows_by_words(self, words: WordsByRuns, language: str) -> Mapping[str, RowMask]:
        """Kind -> the texts that may have a term of it, by their words alone; see TermWords."""
        masks = dict(self._words(language).rows_by_kind(words))
        if language == UNKNOWN:
            for kind, others in self.rows_by_words(words, "en").items():
                masks[kind] = masks[kind] | others if kind in masks else others
        return masks

    def _words(self, language: str) -> TermWords:
        """Those of the terms of `_automaton`."""
        words = self._term_words.get(language)
        if words is None:
            terms = chain.from_iterable(self._automaton(language).terms)
            words = self._term_words[language] = make_term_words(terms)
        return words

    def _automaton(self, language: str) -> Automaton:
        """The automaton of a language and EVERY_LANGUAGE; UNKNOWN: of all languages but English."""
        automaton = self._automatons.get(language)
        if automaton is None:
            counting = {language, EVERY_LANGUAGE}
            if language == UNKNOWN:
                counting = set(LANGUAGES) - {"en"}
            terms = (term for term in self.terms if term.language in counting)
            automaton = self._automatons[language] = make_automaton(terms)
        return automaton

    def _of_unknown_language(
        self, hits: Sequence[Hit], text: str, remaining_text: str
    ) -> TermMatches:
        """The terms of each language for itself: two support each other, one must be unambiguous.

        Two terms of one language that overlap are the same word and no support.
        """
        sure: set[str] = set()
        unsure: dict[str, tuple[str, ...]] = {}
        languages = {hit.term.language for hit in hits}
        for language in sorted(languages):
            # terms of every language support those of one
            of_language = [hit for hit in hits if hit.term.language in (language, EVERY_LANGUAGE)]
            terms = set(_medical(of_language, text))
            places = [hit for hit in of_language if hit.term.kind == WORDS]
            is_supported = (
                any(" + " in term for term in terms)
                or any(not _overlap(places[0], other) for other in places[1:])
                or any(self._is_unambiguous(hit, text) for hit in places)
            )
            if is_supported:
                sure |= terms
            elif terms:
                unsure[language] = _sorted(terms)
        return TermMatches(_sorted(sure), unsure, remaining_text)

    def _is_unambiguous(self, hit: Hit, text: str) -> bool:
        """Whether no language uses this word or phrase for something else."""
        word = word_around(text, hit.start, hit.end)
        return (hit.term.language, word) not in self.ambiguous


def word_around(text: str, start: int, end: int) -> str:
    """The characters [start, end) of a text, with the rest of the words that they are part of."""
    while start > 0 and text[start - 1].isalnum():
        start -= 1
    while end < len(text) and text[end].isalnum():
        end += 1
    return text[start:end]


@lru_cache(4)  # a process needs one finder for each of its settings
def make_finder(terms: tuple[Term, ...], with_ambiguous: bool = False) -> Finder:
    """Make the finder of some terms. `with_ambiguous` reads the shipped ambiguous terms."""
    return Finder(terms, shipped_ambiguous() if with_ambiguous else frozenset())


def _sorted(terms: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(terms)))


def _medical(hits: Sequence[Hit], text: str) -> Iterator[str]:
    """The terms among hits that are medical: words alone, and others that are near each other."""
    yield from (text[hit.start : hit.end] for hit in hits if hit.term.kind == WORDS)
    yield from _terms_together(hits, text)


def _characters_of(hits: Iterable[Hit], text: str) -> bytearray:
    """1 for each character of a text that is part of a hit, else 0."""
    characters = bytearray(len(text))
    for hit in hits:
        characters[hit.start : hit.end] = b"\1" * (hit.end - hit.start)
    return characters


def _blanked(text: str, hidden: bytearray) -> str:
    """The text with blanks in place of hidden characters."""
    if not any(hidden):
        return text
    return "".join(
        " " if is_hidden else character for character, is_hidden in zip(text, hidden, strict=True)
    )


def _overlap(hit: Hit, other: Hit) -> bool:
    return hit is not other and hit.start < other.end and other.start < hit.end


def _terms_together(hits: Sequence[Hit], text: str) -> Iterator[str]:
    """Pairs of terms of one language that are medical near each other."""
    anatomy = NearPlaces(hit for hit in hits if hit.term.kind == ANATOMY)
    treatments = NearPlaces(hit for hit in hits if hit.term.kind == TREATMENT)
    for hit in hits:
        if hit.term.kind not in NEAR_ANATOMY:
            continue
        partners = anatomy.near(hit)
        if hit.term.kind == CHANGE:
            # "before and after" is medical near a treatment too
            partners += treatments.near(hit)
        for partner in partners:
            if _same_language(partner, hit):
                yield f"{text[partner.start : partner.end]} + {text[hit.start : hit.end]}"


def _same_language(hit: Hit, other: Hit) -> bool:
    languages = {hit.term.language, other.term.language}
    return len(languages) == 1 or EVERY_LANGUAGE in languages


def may_have_terms(rows_by_kind: Mapping[str, RowMask], texts: int) -> RowMask:
    """The texts with terms of kinds that are medical: alone, or two of them near each other."""
    none = np.zeros(texts, np.bool_)
    found = none | rows_by_kind.get(WORDS, none)
    for kind, partner in _medical_pairs():
        found |= rows_by_kind.get(kind, none) & rows_by_kind.get(partner, none)
    return found


def have_terms_near(places_by_kind: Mapping[str, Places], texts: JoinedTexts) -> RowMask:
    """The same by the places of the terms."""
    nowhere = no_places(texts)
    found = places_by_kind.get(WORDS, nowhere).mask
    for kind, partner in _medical_pairs():
        places, others = places_by_kind.get(kind, nowhere), places_by_kind.get(partner, nowhere)
        found |= places.followed_by(others, 1, NEAR_CHARS)
        found |= others.followed_by(places, 1, NEAR_CHARS)
    return found


def _medical_pairs() -> Iterator[tuple[str, str]]:
    """The kinds of terms that are medical near each other; see `_terms_together`."""
    yield from ((kind, ANATOMY) for kind in NEAR_ANATOMY)
    yield CHANGE, TREATMENT
