"""Find the frequent words of all languages that the lists' patterns fit.

    python -m filters.medical.frequent

It writes frequent_words.tsv and ambiguous.tsv beside this file, and needs `wordfreq` of the extra
`vocabularies`. A pattern with `*` may fit words that nobody thought of: "egzem*" (eczema) is in
"egzemplarz" (copy). frequent_words.tsv lists each frequent word that a pattern of its own language
fits, so that a reader of a change sees a new one; each must be medical.

ambiguous.tsv lists the single words that are terms of one language and frequent in another one
whose own lists do not hold them, and where they do not weigh as medical words. In captions of an
unknown language these need support.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path

from filters.medical.automaton import DEFUSED, Term
from filters.medical.terms import (
    AMBIGUOUS,
    EVERY_LANGUAGE,
    LANGUAGES,
    WORDS,
    Finder,
    make_finder,
    shipped_terms,
)
from filters.medical.words import MIN_RARE_CHARS, TELLING, load_words

FREQUENT_WORDS = 60_000
TABLE = "frequent_words.tsv"


def frequent_words() -> dict[str, list[str]]:
    """Language -> its most frequent words, by wordfreq."""
    top_n_list = import_module("wordfreq").top_n_list
    return {language: top_n_list(language, FREQUENT_WORDS) for language in LANGUAGES}


def matches(finder: Finder, word: str) -> Iterator[Term]:
    """The terms that fit a word that stands alone; none where it is defused."""
    hits = list(finder.hits(word))
    if not any(hit.term.kind == DEFUSED for hit in hits):
        yield from (hit.term for hit in hits)


def open_hits(words: Mapping[str, Iterable[str]]) -> list[tuple[str, str, str]]:
    """(language, pattern, word) of each frequent word that a pattern of its language fits.

    Patterns of the kind WORDS alone, since terms of the other kinds count near each other only.
    International patterns are listed with the language of the word.
    """
    finder = make_finder(shipped_terms())
    rows: set[tuple[str, str, str]] = set()
    for language, frequent in words.items():
        for word in frequent:
            for term in matches(finder, word):
                is_open = term.open_before or term.open_behind
                counts_here = term.language in (language, EVERY_LANGUAGE)
                if term.kind == WORDS and is_open and counts_here:
                    rows.add((language, written(term), word))
    return sorted(rows)


def ambiguous_words(words: Mapping[str, Iterable[str]]) -> list[tuple[str, str]]:
    """(language of the term, word) of each term that means something else in another language."""
    finder = make_finder(shipped_terms())
    languages_of: dict[str, set[str]] = defaultdict(set)
    for language, frequent in words.items():
        for word in frequent:
            languages_of[word].add(language)
    rows: set[tuple[str, str]] = set()
    for word, languages in languages_of.items():
        terms = [term for term in matches(finder, word) if term.kind == WORDS]
        medical_in = {term.language for term in terms}
        if EVERY_LANGUAGE not in medical_in and not all(
            language in medical_in or _weighs(word, language) for language in languages
        ):
            rows.update((language, word) for language in medical_in)
    return sorted(rows)


def _weighs(word: str, language: str) -> bool:
    """Whether a word is clearly medical in a language, as "epilepsie" is in Dutch.

    Short words may be names and abbreviations of something else ("MRI pump").
    """
    weight = load_words(language).weights.get(word, 0.0)
    return weight >= TELLING and len(word) >= MIN_RARE_CHARS


def written(term: Term) -> str:
    """A term as the lists write it."""
    return f"{'*' * term.open_before}{term.text}{'*' * term.open_behind}"


def main() -> int:
    """Write both tables."""
    words = frequent_words()
    for name, rows in ((TABLE, open_hits(words)), (AMBIGUOUS, ambiguous_words(words))):
        lines = ["# Made by filters/medical/frequent.py; not to be edited.", *map("\t".join, rows)]
        Path(__file__).with_name(name).write_text("\n".join(lines) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
