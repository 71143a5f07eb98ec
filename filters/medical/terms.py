"""Medical words and phrases in a text: the editable lists of terms.yaml and of a config, and the
phrases of the dictionaries, in one pass.

A part of the body is nothing medical, and neither is "before and after"; near each other they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

import ahocorasick_rs
import yaml

NEAR_CHARS = 30  # between a part of the body and what is said of it: some five words
PHRASES = "phrases.txt"
DEFUSED, WORDS, ANATOMY = "defused", "words", "anatomy"
TOGETHER = ("harm", "treatment", "change")  # medical near a part of the body
_DASHES = re.compile(r"[\s\-‐‑–—_/]+")
_QUOTES = str.maketrans("’‘`", "'''")


class Term(NamedTuple):
    """`text` as `folded` gives it; whether letters may stand before and behind it; its kind and its
    language.
    """

    text: str
    open_before: bool
    open_behind: bool
    kind: str
    language: str


class Hit(NamedTuple):
    """Characters [start, end) of a folded text that are a term."""

    start: int
    end: int
    term: Term


class Found(NamedTuple):
    """`terms`: words alone, and what is said near a part of the body as "knee + swollen";
    `defused`: the folded text that is left.
    """

    terms: tuple[str, ...]
    defused: str


def folded(text: str) -> str:
    """In lower case, with one blank for every dash, slash, underscore and white space."""
    return _DASHES.sub(" ", text.lower().translate(_QUOTES)).strip()


def term(written: str, kind: str, language: str = "") -> Term:
    """A term as it stands in a list: `*` stands for any letters before or behind it."""
    bare = written.strip()
    return Term(
        _DASHES.sub(" ", bare.lower().strip("*")).strip(),
        bare.startswith("*"),
        bare.endswith("*"),
        kind,
        language,
    )


@lru_cache(1)
def shipped_terms() -> tuple[Term, ...]:
    """Every term of terms.yaml."""
    lists: dict[str, Mapping[str, str] | str] = yaml.safe_load(
        files("filters.medical").joinpath("terms.yaml").read_text("utf-8")
    )
    return tuple(
        term(written, kind, language)
        for language, kinds in lists.items()
        for kind, listed in (kinds.items() if isinstance(kinds, Mapping) else ((DEFUSED, kinds),))
        for written in listed.split(",")
    )


@lru_cache(1)
def shipped_phrases() -> tuple[Term, ...]:
    """The English names of diseases and signs that the dictionaries hold; `make_words.py` says
    which.
    """
    lines = files("filters.medical").joinpath(PHRASES).read_text("utf-8").splitlines()
    return tuple(
        Term(line, False, False, WORDS, "en") for line in lines if not line.startswith("#")
    )


@dataclass(frozen=True)
class Finder:
    """Finds terms; made by `make_finder`."""

    automaton: ahocorasick_rs.AhoCorasick
    terms: tuple[tuple[Term, ...], ...]

    def find(self, text: str) -> Found:
        """What is medical in a text, and the text without what only looks so."""
        text = folded(text)
        hits = list(self._hits(text))
        if not hits:
            return Found((), text)
        defused = [hit for hit in hits if hit.term.kind == DEFUSED]
        hits = [hit for hit in hits if not any(_overlap(hit, other) for other in defused)]
        alone = {text[hit.start : hit.end] for hit in hits if hit.term.kind == WORDS}
        return Found(tuple(sorted(alone | set(_together(hits, text)))), _without(text, defused))

    def _hits(self, text: str) -> Iterator[Hit]:
        for number, start, end in self.automaton.find_matches_as_indexes(text, overlapping=True):
            before, behind = (
                start > 0 and text[start - 1].isalnum(),
                end < len(text) and text[end].isalnum(),
            )
            for found in self.terms[number]:
                if (found.open_before or not before) and (found.open_behind or not behind):
                    yield Hit(start, end, found)


def make_finder(terms: Iterable[Term]) -> Finder:
    """The finder of some terms; the same text may be a term in several languages."""
    by_text: dict[str, dict[Term, None]] = {}
    for found in terms:
        if found.text:
            by_text.setdefault(found.text, {})[found] = None
    automaton = ahocorasick_rs.AhoCorasick(
        list(by_text), matchkind=ahocorasick_rs.MatchKind.Standard
    )
    return Finder(automaton, tuple(tuple(same) for same in by_text.values()))


def _without(text: str, hits: list[Hit]) -> str:
    for hit in sorted(hits, reverse=True):
        text = text[: hit.start] + " " * (hit.end - hit.start) + text[hit.end :]
    return text


def _overlap(one: Hit, other: Hit) -> bool:
    return one is not other and one.start < other.end and other.start < one.end


def _together(hits: list[Hit], text: str) -> Iterator[str]:
    """Two hits of one language that mean something medical near each other."""
    bodies = [hit for hit in hits if hit.term.kind == ANATOMY]
    treatments = [hit for hit in hits if hit.term.kind == "treatment"]
    for hit in hits:
        if hit.term.kind in TOGETHER:
            others = [*bodies, *treatments] if hit.term.kind == "change" else bodies
            for other in others:
                if other.term.language == hit.term.language and _near(hit, other):
                    yield f"{text[other.start : other.end]} + {text[hit.start : hit.end]}"


def _near(one: Hit, other: Hit) -> bool:
    first, second = sorted((one, other))
    return 0 < second.start - first.end <= NEAR_CHARS
