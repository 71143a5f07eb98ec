"""Find given names in a text, by a list (make_names.py makes it)."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files

from filters.folding import folded_words

UNSURE = "?"  # behind a name of the list that is also a place or an everyday word
WORD = re.compile(r"[^\W\d_]{3,}")
# words directly before a name that belongs to a place or a saint: "San Mateo", "St. Martin"
_SAINT = re.compile(r"\b(?:st|saint|sainte|san|santa|santo|são|sankt|sint|św|święty)\.? $", re.I)
_SAINT_CHARS = 8  # before a name


@lru_cache(1)
def given_names() -> tuple[frozenset[str], frozenset[str]]:
    """The names of given_names.txt, and those among them that are also other words."""
    text = files("filters.children").joinpath("given_names.txt").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    names = frozenset(line.removesuffix(UNSURE) for line in lines)
    unsure = frozenset(line.removesuffix(UNSURE) for line in lines if line.endswith(UNSURE))
    return names, unsure


@lru_cache(1)
def folded_sure_names() -> frozenset[str]:
    """The folded names of the list that are nothing else."""
    names, unsure = given_names()
    return frozenset(map(folded_words, names - unsure))


def is_name(word: str) -> bool:
    """Whether a word of a text is a given name of the list, and perhaps also something else."""
    return _as_listed(word) in given_names()[0]


def is_sure_name(word: str) -> bool:
    """Whether a word of a text is a given name of the list, and nothing else."""
    names, unsure = given_names()
    listed = _as_listed(word)
    return listed in names and listed not in unsure


def _as_listed(word: str) -> str:
    return word.capitalize() if word.isupper() else word


def find_names(text: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Characters [start, end) of each given name in a text, without and with the unsure ones.

    A name begins with a capital, or is in capitals. Names of saints do not count: churches, schools
    and towns have them.
    """
    names, unsure = given_names()
    sure_places: list[tuple[int, int]] = []
    places: list[tuple[int, int]] = []
    for match in WORD.finditer(text):
        word = _as_listed(match[0])
        start = match.start()
        if word not in names or _SAINT.search(text[max(0, start - _SAINT_CHARS) : start]):
            continue
        places.append(match.span())
        if word not in unsure:
            sure_places.append(match.span())
    return sure_places, places
