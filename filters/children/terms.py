"""The words about children of terms.yaml: which of them a text holds, and where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

import yaml

from filters.children.ages import words_beside_numbers
from filters.children.reading import BEFORE_NAME, SIGN_KINDS, Place
from filters.medical.automaton import DEFUSED, Automaton, Term, make_automaton
from filters.medical.term_words import TermWords, make_term_words
from filters.medical.terms import parse_term

LANGUAGES = ("en", "de", "es", "fr", "it", "nl", "pl", "pt")
EVERY_LANGUAGE = ""  # of the terms that a config adds
CLEAR, KNOWN = "clear", "known"
KINDS = (
    CLEAR, "child", "youth", "own", "little", "little_name", "for", "doing", "acts", "pupil",
    "school", "class", "teacher", "outing", "birthday", "born", "junior", "team", "person", "media",
    "goods", "aged", "after", DEFUSED,
)  # fmt: skip


class Match(NamedTuple):
    """A term, and the place of the word or words in a text that it stands for."""

    place: Place
    term: Term


@dataclass(frozen=True)
class Vocabulary:
    """The terms of some languages.

    `known`: (language, text) of the terms that count only where the language is known.
    """

    automaton: Automaton
    known: frozenset[tuple[str, str]]

    def find(self, text: str) -> list[Match]:
        """Every term in a folded text, the longest first, without what a term defuses.

        What one language defuses counts in no other one.
        """
        matches = [
            Match(whole_word(text, hit.start, hit.end), hit.term)
            for hit in self.automaton.hits(text)
        ]
        matches.sort(key=lambda match: match.place[0] - match.place[1])
        defused = [match.place for match in matches if match.term.kind == DEFUSED]
        if not defused:
            return matches
        return [match for match in matches if not _overlaps(match.place, defused)]

    def by_kind(
        self, matches: Iterable[Match], language: str, is_known: bool
    ) -> dict[str, list[Place]]:
        """Kind -> places of the terms that count in a language.

        Of terms of one kind that overlap, the first match counts.
        """
        places: dict[str, list[Place]] = {kind: [] for kind in KINDS}
        for place, term in matches:
            if term.language not in (language, EVERY_LANGUAGE):
                continue
            if not is_known and (language, term.text) in self.known:
                continue
            of_kind = places[term.kind]
            if not _overlaps(place, of_kind):
                of_kind.append(place)
        return places


def whole_word(text: str, start: int, end: int) -> Place:
    """The characters [start, end) of a text, with the rest of the words that they are part of."""
    while start > 0 and text[start - 1].isalnum():
        start -= 1
    while end < len(text) and text[end].isalnum():
        end += 1
    return start, end


def _overlaps(place: Place, others: Sequence[Place]) -> bool:
    return any(place[0] < end and start < place[1] for start, end in others)


@lru_cache(1)
def _lists() -> Mapping[str, Mapping[str, str]]:
    text = files("filters.children").joinpath("terms.yaml").read_text("utf-8")
    lists: Mapping[str, Mapping[str, str]] = yaml.safe_load(text)
    return lists


@lru_cache(32)  # one language each, or all of them, for each setting
def vocabulary(languages: tuple[str, ...], extra: tuple[Term, ...] = ()) -> Vocabulary:
    """The terms of some languages, and extra ones that count in every language."""
    terms = [*extra]
    known: set[tuple[str, str]] = set()
    for language in languages:
        for kind in KINDS:
            terms += _parsed(language, kind)
        known |= {(language, term.text) for term in _parsed(language, KNOWN)}
    return Vocabulary(make_automaton(terms), frozenset(known))


@lru_cache(32)
def sign_words(languages: tuple[str, ...], extra: tuple[Term, ...] = ()) -> TermWords:
    """Tells which texts may have a term or an age; without one, or a name, no sign is in a text."""
    kinds = {*SIGN_KINDS, BEFORE_NAME}
    terms = [term for term in extra if term.kind in kinds]
    for language in languages:
        for kind in kinds:
            terms += _parsed(language, kind)
    return make_term_words([*terms, *words_beside_numbers(languages)])


def _parsed(language: str, kind: str) -> Iterator[Term]:
    entries = _lists()[language].get(kind, "")
    return (parse_term(entry, kind, language) for entry in entries.split(","))


def extra_terms(clear: Iterable[str], defused: Iterable[str]) -> tuple[Term, ...]:
    """The terms that a config adds."""
    terms = [parse_term(entry, CLEAR, EVERY_LANGUAGE) for entry in clear]
    terms += [parse_term(entry, DEFUSED, EVERY_LANGUAGE) for entry in defused]
    return tuple(terms)
