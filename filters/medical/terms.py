"""Find medical words and phrases in a text, in one pass.

The terms are the editable lists of terms.yaml and of a config, and the phrases of dictionaries.

Some terms are medical only near each other: a part of the body is not medical, and neither is
"before and after", but both together are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

import ahocorasick_rs
import yaml

NEAR_CHARS = 30  # between a part of the body and what belongs to it: some five words
PHRASES = "phrases.txt"
# Kinds of terms. A defused term looks medical and is not; it hides the terms that it overlaps.
DEFUSED, WORDS, ANATOMY = "defused", "words", "anatomy"
TREATMENT, CHANGE = "treatment", "change"
NEAR_ANATOMY = ("harm", TREATMENT, CHANGE)  # kinds that are medical near a part of the body
_DASHES = re.compile(r"[\s\-‐‑–—_/]+")
_QUOTES = str.maketrans("’‘`", "'''")


class Term(NamedTuple):
    """One term of a list.

    - `text`: the term as `folded` writes it.
    - `open_before`, `open_behind`: whether letters may stand directly before or behind it.
    - `kind`, `language`: the list that it is from.
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


class TermMatches(NamedTuple):
    """What `Finder.find` found in a text.

    - `terms`: words that are medical alone, and pairs of terms near each other, written as
      "knee + swollen".
    - `remaining_text`: the folded text, with blanks in place of defused terms.
    """

    terms: tuple[str, ...]
    remaining_text: str


def folded(text: str) -> str:
    """A text in lower case, with one blank for each run of dashes, slashes and white space."""
    return _DASHES.sub(" ", text.lower().translate(_QUOTES)).strip()


def parse_term(entry: str, kind: str, language: str = "") -> Term:
    """The term that a list entry means; `*` stands for any letters before or behind it."""
    entry = entry.strip()
    text = entry.lower().strip("*")
    return Term(
        text=_DASHES.sub(" ", text).strip(),
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
    terms: list[Term] = []
    for language, kinds in lists.items():
        entries_by_kind = kinds if isinstance(kinds, Mapping) else {DEFUSED: kinds}
        for kind, entries in entries_by_kind.items():
            terms.extend(parse_term(entry, kind, language) for entry in entries.split(","))
    return tuple(terms)


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

    `terms` holds, for each pattern of the automaton, the terms that are written so.
    """

    automaton: ahocorasick_rs.AhoCorasick
    terms: tuple[tuple[Term, ...], ...]

    def find(self, text: str) -> TermMatches:
        """The medical terms in a text, and the text without its defused terms."""
        text = folded(text)
        hits = list(self._hits(text))
        if not hits:
            return TermMatches((), text)
        defused = [hit for hit in hits if hit.term.kind == DEFUSED]
        hits = [hit for hit in hits if not any(_overlap(hit, other) for other in defused)]
        terms = {text[hit.start : hit.end] for hit in hits if hit.term.kind == WORDS}
        terms.update(_terms_together(hits, text))
        return TermMatches(tuple(sorted(terms)), _blanked(text, defused))

    def _hits(self, text: str) -> Iterator[Hit]:
        for pattern, start, end in self.automaton.find_matches_as_indexes(text, overlapping=True):
            letter_before = start > 0 and text[start - 1].isalnum()
            letter_behind = end < len(text) and text[end].isalnum()
            for term in self.terms[pattern]:
                if letter_before and not term.open_before:
                    continue
                if letter_behind and not term.open_behind:
                    continue
                yield Hit(start, end, term)


def make_finder(terms: Iterable[Term]) -> Finder:
    """Make the finder of some terms; empty ones are left out.

    The same text may be a term in several languages.
    """
    by_text: dict[str, dict[Term, None]] = {}  # the inner dictionary is an ordered set
    for term in terms:
        if term.text:
            by_text.setdefault(term.text, {})[term] = None
    automaton = ahocorasick_rs.AhoCorasick(
        list(by_text), matchkind=ahocorasick_rs.MatchKind.Standard
    )
    return Finder(automaton, tuple(tuple(same_text) for same_text in by_text.values()))


def _blanked(text: str, hits: Iterable[Hit]) -> str:
    """The text with blanks in place of hits; its length stays the same."""
    for hit in hits:
        blanks = " " * (hit.end - hit.start)
        text = text[: hit.start] + blanks + text[hit.end :]
    return text


def _overlap(hit: Hit, other: Hit) -> bool:
    return hit is not other and hit.start < other.end and other.start < hit.end


def _terms_together(hits: Sequence[Hit], text: str) -> Iterator[str]:
    """Pairs of terms of one language that are medical near each other."""
    anatomy = [hit for hit in hits if hit.term.kind == ANATOMY]
    treatments = [hit for hit in hits if hit.term.kind == TREATMENT]
    for hit in hits:
        if hit.term.kind not in NEAR_ANATOMY:
            continue
        # a change ("before and after") is medical near a treatment too
        partners = [*anatomy, *treatments] if hit.term.kind == CHANGE else anatomy
        for partner in partners:
            if partner.term.language == hit.term.language and _near(hit, partner):
                yield f"{text[partner.start : partner.end]} + {text[hit.start : hit.end]}"


def _near(hit: Hit, other: Hit) -> bool:
    first, second = sorted((hit, other))
    return 0 < second.start - first.end <= NEAR_CHARS
