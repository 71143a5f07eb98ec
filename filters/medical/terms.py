"""Find medical words and phrases in a text, in one pass.

The terms are the editable lists of terms.yaml and of a config, and the phrases of dictionaries.

Some terms are medical only near each other: a part of the body is not medical, and neither is
"before and after", but both together are. Others are medical beside a word of learned weight
(cues.py).

A term counts in its own language: "sarna" is scabies in Spanish and a deer in Polish. Where the
language of a text is not known, a term needs support, or is unsure.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from itertools import chain, repeat
from typing import NamedTuple, Protocol

import ahocorasick_rs
import numpy as np
import yaml
from numpy.typing import NDArray

from filters.batch import RowMask
from filters.joined_texts import JoinedTexts, WordsByRuns, join_texts

NEAR_CHARS = 30  # between a part of the body and what belongs to it: some five words
PHRASES, AMBIGUOUS = "phrases.txt", "ambiguous.tsv"
# Kinds of terms. A defused term looks medical and is not; it hides the terms that it overlaps.
DEFUSED, WORDS, ANATOMY = "defused", "words", "anatomy"
DEFUSED_IN_WORD = "defused, in a word"  # no kind of terms, but a name for some of one kind
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
_DASHES = "-‐‑–—_/"
# What a text is read as. Beside quotes these are ã, õ and à in Windows-1252 that were read as
# Windows-1250 ("năo"); no shipped language has the letters that come of it.
_READ_AS = {"’": "'", "‘": "'", "`": "'", "ă": "ã", "ő": "õ", "ŕ": "à"}

LETTERS = re.compile(r"[^\W\d_]+")


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


class Place(Protocol):
    """Characters [start, end) of a text."""

    @property
    def start(self) -> int:
        """The first one."""
        ...

    @property
    def end(self) -> int:
        """The one behind the last one."""
        ...


class Hit(NamedTuple):
    """Characters [start, end) of a folded text that are a term."""

    start: int
    end: int
    term: Term


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


def folded(text: str) -> str:
    """A text in lower case, with one blank for each run of dashes, slashes and white space."""
    return with_blanks(text.lower())


def with_blanks(text: str) -> str:
    """A text with one blank for each run of dashes, slashes and white space, and one apostrophe."""
    for letter, read in _READ_AS.items():
        text = text.replace(letter, read)
    return _without_dashes(text)


def _without_dashes(text: str) -> str:
    # a call for each sign is several times quicker than a regular expression
    for dash in _DASHES:
        text = text.replace(dash, " ")
    return " ".join(text.split())


def parse_term(entry: str, kind: str, language: str = "") -> Term:
    """The term that a list entry means; `*` stands for any letters before or behind it."""
    entry = entry.strip()
    text = entry.lower().strip("*")
    return Term(
        text=_without_dashes(text),
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

    def rows_by_kind(self, texts: JoinedTexts) -> Mapping[str, RowMask]:
        """Kind -> which of many folded texts may have a term of this kind.

        `hits` finds terms of the kind in no other text. DEFUSED_IN_WORD stands for defused terms
        with a letter or a digit directly before or behind them.
        """
        numbers, rows, in_word = self.matches(texts)
        patterns, of_pattern = np.unique(numbers, return_inverse=True)
        kinds_of = [{term.kind for term in self.terms[number]} for number in patterns]
        masks = {}
        for kind in set().union(*kinds_of):
            is_of_kind = np.array([kind in kinds for kinds in kinds_of], np.bool_)[of_pattern]
            masks[kind] = texts.marked(rows[is_of_kind])
            if kind == DEFUSED:
                masks[DEFUSED_IN_WORD] = texts.marked(rows[is_of_kind & in_word])
        return masks

    def matches(
        self, texts: JoinedTexts
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Where any of the terms may be in many folded texts.

        Returns for each place the number of the pattern, that of the text, and whether a letter or
        a digit stands directly before or behind it.
        """
        found = self.patterns.find_matches_as_indexes(texts.joined, overlapping=True)
        flat = np.fromiter(chain.from_iterable(found), np.int64, 3 * len(found))
        numbers, starts, ends = flat.reshape(-1, 3).T
        letter_before = texts.are(starts - 1, str.isalnum)
        letter_behind = texts.are(ends, str.isalnum)
        # most matches are parts of words, and end here
        is_term = ~letter_before | np.array(self.open_before, np.bool_)[numbers]
        is_term &= ~letter_behind | np.array(self.open_behind, np.bool_)[numbers]
        in_word = (letter_before | letter_behind)[is_term]
        return numbers[is_term], texts.rows(starts[is_term]), in_word


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
        masks = {kind: np.ones(words.texts, np.bool_) for kind in self.kinds_without}
        for kind, terms in self.terms_by_kind.items():
            is_chosen = np.zeros(self._number, np.bool_)
            is_chosen[rarest[terms]] = True
            such = np.zeros(len(words.distinct), np.bool_)
            such[places[is_chosen[numbers]]] = True
            masks[kind] = words.texts_with_any(such)
        return masks

    @property
    def _number(self) -> int:
        return len(self.closed) + len(self.opened.terms)

    def _find(self, words: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The numbers of the terms' words among some words, and their places there."""
        texts = join_texts(words).changed(_with_plain_sigma)
        numbers = np.fromiter(map(self.closed.get, texts.texts, repeat(-1)), np.int64, len(words))
        is_closed = numbers >= 0
        opened, places, _ = self.opened.matches(texts)
        return (
            np.concatenate([numbers[is_closed], opened + len(self.closed)]),
            np.concatenate([np.flatnonzero(is_closed), places]),
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
    for run in LETTERS.finditer(_with_plain_sigma(term.text)):
        yield term._replace(
            text=run[0],
            open_before=term.open_before and run.start() == 0,
            open_behind=term.open_behind and run.end() == len(term.text),
        )


def _with_plain_sigma(text: str) -> str:
    # Whether a sigma is a final one depends on what stands behind the run.
    return text.replace("ς", "σ")


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
        defused = [hit for hit in hits if hit.term.kind == DEFUSED]
        hits = [hit for hit in hits if not any(_overlap(hit, other) for other in defused)]
        remaining_text = _blanked(text, defused)
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

    def rows_by_kind(self, texts: JoinedTexts, language: str) -> Mapping[str, RowMask]:
        """Kind -> which of many folded texts may have a term of it that counts in a language."""
        masks = self._automaton(language).rows_by_kind(texts)
        if language == UNKNOWN:
            return _either(masks, self.rows_by_kind(texts, "en"))
        return masks

    def rows_by_words(self, words: WordsByRuns, language: str) -> Mapping[str, RowMask]:
        """The same by the words of terms alone; see TermWords."""
        masks = self._words(language).rows_by_kind(words)
        if language == UNKNOWN:
            return _either(masks, self.rows_by_words(words, "en"))
        return masks

    def _words(self, language: str) -> TermWords:
        """Those of the terms of `_automaton`."""
        words = self._term_words.get(language)
        if words is None:
            terms = chain.from_iterable(self._automaton(language).terms)
            words = self._term_words[language] = make_term_words(terms)
        return words

    def _automaton(self, language: str) -> Automaton:
        """That of a language and every language; UNKNOWN: that of all languages but English."""
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


def _either(masks: Mapping[str, RowMask], others: Mapping[str, RowMask]) -> Mapping[str, RowMask]:
    """Kind -> the texts that are in one of two masks of this kind."""
    both = {kind: mask | others[kind] for kind, mask in masks.items() if kind in others}
    return {**masks, **others, **both}


def word_around(text: str, start: int, end: int) -> str:
    """The characters [start, end) of a text, with the rest of the words that they are part of."""
    while start > 0 and text[start - 1].isalnum():
        start -= 1
    while end < len(text) and text[end].isalnum():
        end += 1
    return text[start:end]


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
            if _same_language(partner, hit) and are_near(hit, partner):
                yield f"{text[partner.start : partner.end]} + {text[hit.start : hit.end]}"


def _same_language(hit: Hit, other: Hit) -> bool:
    languages = {hit.term.language, other.term.language}
    return len(languages) == 1 or EVERY_LANGUAGE in languages


def may_have_terms(rows_by_kind: Mapping[str, RowMask], rows: int) -> RowMask:
    """The texts with terms of kinds that are medical: alone, or two of them near each other."""
    none = np.zeros(rows, np.bool_)
    has = {kind: rows_by_kind.get(kind, none) for kind in (WORDS, ANATOMY, TREATMENT, CHANGE)}
    near_anatomy = none.copy()
    for kind in NEAR_ANATOMY:
        near_anatomy |= rows_by_kind.get(kind, none)
    # the same pairs as in _terms_together
    pairs = (near_anatomy & has[ANATOMY]) | (has[CHANGE] & has[TREATMENT])
    return has[WORDS] | pairs


def are_near(hit: Place, other: Place) -> bool:
    """Whether two places of a text are near each other, and are not the same word."""
    first, second = sorted((hit, other), key=lambda place: (place.start, place.end))
    return 0 < second.start - first.end <= NEAR_CHARS
