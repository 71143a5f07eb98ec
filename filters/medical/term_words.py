"""Tells by the words of terms alone which of many texts may have the terms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat

import numpy as np
from numpy.typing import NDArray

from filters.batch import RowMask
from filters.folding import folded_words
from filters.joined_texts import LETTERS, WordsByRuns, join_texts
from filters.medical.automaton import DEFUSED, Automaton, Term, make_automaton

DEFUSED_IN_WORD = "defused, in a word"  # no kind of terms, but a name for some of one kind


@dataclass(frozen=True)
class TermWords:
    """Tells by their words alone which texts may have terms; made by `make_term_words`.

    Each distinct word of the texts is read once, and no whole text.

    - `closed`: word of a term -> its number, where letters may not stand beside it. `opened` finds
      the others, which have the numbers behind these.
    - `of_terms`: the numbers of their words, term after term. `firsts`: where each term begins.
    - `terms_by_kind`: kind -> numbers of its terms; DEFUSED_IN_WORD stands for the defused terms
      beside which letters may stand.
    - `kinds_without`: kinds with terms that have no letter, which may be in any text.
    """

    closed: Mapping[str, int]
    opened: Automaton
    of_terms: NDArray[np.int64]
    firsts: NDArray[np.int64]
    terms_by_kind: Mapping[str, NDArray[np.int64]]
    kinds_without: frozenset[str]

    def rows_by_kind(self, words: WordsByRuns) -> Mapping[str, RowMask]:
        """Kind -> the texts that may have a term of it: those with the rarest word of the term.

        `words` are the runs of letters (LETTERS) in the folded texts.
        """
        numbers, places = self._find(words.distinct)
        rarest = self._rarest(numbers, words.times[places])
        masks = {}
        for kind, terms in self.terms_by_kind.items():
            is_chosen = np.zeros(self._number, np.bool_)
            is_chosen[rarest[terms]] = True
            such = np.zeros(len(words.distinct), np.bool_)
            such[places[is_chosen[numbers]]] = True
            masks[kind] = words.texts_with_any(such)
        # any text may have a term without letters
        return masks | dict.fromkeys(self.kinds_without, np.ones(words.texts, np.bool_))

    @property
    def _number(self) -> int:
        return len(self.closed) + len(self.opened.terms)

    def _find(self, words: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The numbers of the terms' words among some words, and their places there."""
        numbers = np.fromiter(map(self.closed.get, words, repeat(-1)), np.int64, len(words))
        is_closed = numbers >= 0
        texts = join_texts(words)
        opened = self.opened.matches(texts)
        return (
            np.concatenate([numbers[is_closed], opened.patterns + len(self.closed)]),
            np.concatenate([np.flatnonzero(is_closed), texts.rows(opened.starts)]),
        )

    def _rarest(self, numbers: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rarest word of each term, given words that were found, and how many times each."""
        often = np.bincount(numbers, times, self._number).astype(np.int64)
        # the least of pairs (how often, which word)
        pairs = often[self.of_terms] * self._number + self.of_terms
        return np.minimum.reduceat(pairs, self.firsts) % self._number


def make_term_words(terms: Iterable[Term]) -> TermWords:
    """What tells by their words alone which texts may have some terms."""
    words_of_terms: list[list[Term]] = []
    terms_by_kind: defaultdict[str, list[int]] = defaultdict(list)
    kinds_without: set[str] = set()
    for term in terms:
        words_of_term = list(_words_of(term))
        for kind in _kinds_of(term):
            if words_of_term:
                terms_by_kind[kind].append(len(words_of_terms))
            else:
                kinds_without.add(kind)
        if words_of_term:
            words_of_terms.append(words_of_term)
    words = list(chain.from_iterable(words_of_terms))
    closed = dict.fromkeys(word.text for word in words if not word.is_open)
    opened = make_automaton(word for word in words if word.is_open)
    numbers = {text: number for number, text in enumerate(closed)}
    numbers_of_opened = {
        same_text[0].text: number for number, same_text in enumerate(opened.terms, len(closed))
    }
    of_terms = [
        [(numbers_of_opened if word.is_open else numbers)[word.text] for word in words]
        for words in words_of_terms
    ]
    lengths = np.array(list(map(len, of_terms)), np.int64)
    return TermWords(
        numbers,
        opened,
        of_terms=np.array(list(chain.from_iterable(of_terms)), np.int64),
        firsts=np.cumsum(lengths) - lengths,
        terms_by_kind={kind: np.array(of_kind) for kind, of_kind in terms_by_kind.items()},
        kinds_without=frozenset(kinds_without),
    )


def _kinds_of(term: Term) -> Iterator[str]:
    yield term.kind
    if term.kind == DEFUSED and term.is_open:
        yield DEFUSED_IN_WORD


def _words_of(term: Term) -> Iterator[Term]:
    """The words of a term, as terms."""
    for run in LETTERS.finditer(folded_words(term.text)):
        yield term._replace(
            text=run[0],
            open_before=term.open_before and run.start() == 0,
            open_behind=term.open_behind and run.end() == len(term.text),
        )
