"""Finds many terms in one pass: in one text with their places, and in many texts at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import NamedTuple

import ahocorasick_rs
import numpy as np
from numpy.typing import NDArray

from filters.joined_texts import JoinedTexts
from filters.places import Places

DEFUSED = "defused"  # the kind of terms that hide those that they overlap


class Term(NamedTuple):
    """One term of a list.

    - `text`: the term as `folded` writes it.
    - `open_before`, `open_behind`: whether letters may stand directly before or behind it.
    - `kind`, `language`: the list that it is from. EVERY_LANGUAGE stands for a list that counts
      in texts of every language.
    """

    text: str
    open_before: bool
    open_behind: bool
    kind: str
    language: str

    @property
    def is_open(self) -> bool:
        """Whether letters may stand directly beside the term."""
        return self.open_before or self.open_behind


class Hit(NamedTuple):
    """Characters [start, end) of a folded text that are a term."""

    start: int
    end: int
    term: Term


@dataclass(frozen=True)
class Automaton:
    """Finds the terms of some languages.

    - `terms`: for each pattern, the terms that are written so.
    - `open_before`, `open_behind`: whether letters may stand beside any of these terms.
    """

    patterns: ahocorasick_rs.AhoCorasick
    terms: tuple[tuple[Term, ...], ...]
    open_before: tuple[bool, ...]
    open_behind: tuple[bool, ...]

    def hits(self, text: str) -> Iterator[Hit]:
        """The terms in a folded text, where letters do not stand beside closed ones."""
        for pattern, start, end in self.patterns.find_matches_as_indexes(text, overlapping=True):
            # most matches are parts of words, and end here
            letter_before = start > 0 and text[start - 1].isalnum()
            if letter_before and not self.open_before[pattern]:
                continue
            letter_behind = end < len(text) and text[end].isalnum()
            if letter_behind and not self.open_behind[pattern]:
                continue
            for term in self.terms[pattern]:
                if letter_before and not term.open_before:
                    continue
                if letter_behind and not term.open_behind:
                    continue
                yield Hit(start, end, term)

    def matches(self, texts: JoinedTexts) -> Matches:
        """Where in many folded texts terms may be; `hits` finds none elsewhere."""
        found = self.patterns.find_matches_as_indexes(texts.joined, overlapping=True)
        flat = np.fromiter(chain.from_iterable(found), np.int64, 3 * len(found))
        patterns, starts, ends = flat.reshape(-1, 3).T
        ends_before = ~texts.are(starts - 1, str.isalnum)
        ends_behind = ~texts.are(ends, str.isalnum)
        # most matches are parts of words, and end here
        may_be = ends_before | np.array(self.open_before, np.bool_)[patterns]
        may_be &= ends_behind | np.array(self.open_behind, np.bool_)[patterns]
        all_before, all_behind = self._all_open
        are = (ends_before | all_before[patterns]) & (ends_behind | all_behind[patterns])
        return Matches(patterns[may_be], starts[may_be], ends[may_be], are[may_be])

    def places_by_kind(
        self, texts: JoinedTexts, with_whole_words: bool = False
    ) -> Mapping[str, Places]:
        """Kind -> the places of many folded texts that may be terms of it, and are not defused.

        No other place is a term. `with_whole_words`: with the rest of the words that they are part
        of.
        """
        patterns, starts, ends, are_terms = self.matches(texts)
        if with_whole_words:
            starts, ends = texts.words_around(starts, ends)
        order = np.argsort(starts, kind="stable")
        patterns, are_terms = patterns[order], are_terms[order]
        found = Places(texts, starts[order], ends[order])
        has_kind = self._patterns_by_kind(patterns)
        is_defused = has_kind.get(DEFUSED, np.zeros(len(patterns), np.bool_))
        stays = ~found.overlapping(found.only(is_defused & are_terms))
        return {
            kind: found.only(of_kind if kind == DEFUSED else of_kind & stays)
            for kind, of_kind in has_kind.items()
        }

    def _patterns_by_kind(self, patterns: NDArray[np.int64]) -> Mapping[str, NDArray[np.bool_]]:
        """Kind -> which of some patterns are terms of it."""
        used, of_used = np.unique(patterns, return_inverse=True)
        kinds_of = [{term.kind for term in self.terms[pattern]} for pattern in used]
        return {
            kind: np.array([kind in kinds for kinds in kinds_of], np.bool_)[of_used]
            for kind in set().union(*kinds_of)
        }

    @cached_property
    def _all_open(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """For each pattern, whether letters may stand before all its terms, and behind them."""
        before = [all(term.open_before for term in same_text) for same_text in self.terms]
        behind = [all(term.open_behind for term in same_text) for same_text in self.terms]
        return np.array(before, np.bool_), np.array(behind, np.bool_)


class Matches(NamedTuple):
    """Places in joined texts, and the numbers of the patterns that match there.

    `are_terms`: whether each place surely is every term that is written so. The others may be one.
    """

    patterns: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    are_terms: NDArray[np.bool_]


def make_automaton(terms: Iterable[Term]) -> Automaton:
    """The automaton of some terms, without empty ones; the same text may be a term twice."""
    by_text: dict[str, dict[Term, None]] = {}  # the inner dictionary is an ordered set
    for term in terms:
        if term.text:
            by_text.setdefault(term.text, {})[term] = None
    patterns = ahocorasick_rs.AhoCorasick(
        list(by_text), matchkind=ahocorasick_rs.MatchKind.Standard
    )
    same_texts = tuple(tuple(same_text) for same_text in by_text.values())
    return Automaton(
        patterns,
        same_texts,
        tuple(any(term.open_before for term in same_text) for same_text in same_texts),
        tuple(any(term.open_behind for term in same_text) for same_text in same_texts),
    )
