"""What the names of diseases and signs in the English ontologies give: clear words, and phrases.

A clear word is a name that ends as names of diseases do in Greek and Latin. A phrase is a name or
synonym of two to four words that the weights alone may miss in a long caption. At least one of its
words weighs `MIN_TELLING_WEIGHT` or more, and neither stop_phrases.yaml nor the lists of terms.yaml
hold it. A phrase that contains a shorter phrase is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from filters.folding import folded
from filters.medical.terms import Finder
from filters.medical.weighing import MIN_TELLING_WEIGHT, WORD, is_rare

MIN_CLEAR_CHARS = 7
_CLEAR_ENDING = re.compile(
    r"(?:ia|ias|omas?|osis|oses|itis|iasis|stasis|ectasis|ptosis|lysis|path(?:y|ies)|rrho?ea|celes?"
    r"|megaly|dactyly|cephaly|trophy|plegia|spasm|stenosis)$"
)
MAX_PHRASE_WORDS = 4
_PHRASE = re.compile(r"[^\W\d_]+(?: [^\W\d_']+)+")
_LAST = re.compile(r"(?: nos| unspecified)+$")  # "not otherwise specified", as ICD says


def clear_names(names: Iterable[str], frequency: Mapping[str, float]) -> frozenset[str]:
    """The names of one word that are clearly medical by their ending, and not too frequent.

    `frequency`: word -> its share in everyday English.
    """
    clear = set()
    for name in names:
        word = _LAST.sub("", folded(name))
        is_one_word = len(word) >= MIN_CLEAR_CHARS and WORD.fullmatch(word)
        if is_one_word and _CLEAR_ENDING.search(word) and is_rare(word, frequency):
            clear.add(word)
    return frozenset(clear)


@dataclass(frozen=True)
class Stops:
    """The content of stop_phrases.yaml: everyday phrases that are left out.

    A phrase is left out when it is one of `phrases`, when it begins with one of `begin`, when it
    ends with one of `end`, or when all its words are in `looks` or `parts`.
    """

    begin: frozenset[str]
    end: frozenset[str]
    looks: frozenset[str]
    parts: frozenset[str]
    phrases: frozenset[str]

    def stops(self, phrase: str) -> bool:
        """Whether a folded phrase is left out."""
        if phrase in self.phrases:
            return True
        words = phrase.split()
        for split_at in range(1, len(words)):
            beginning = " ".join(words[:split_at])
            ending = " ".join(words[split_at:])
            if beginning in self.begin or ending in self.end:
                return True
        return set(words) <= self.looks | self.parts


def load_stops() -> Stops:
    """Load the committed stop_phrases.yaml."""
    path = Path(__file__).with_name("stop_phrases.yaml")
    # name of a field of Stops -> entries separated by commas
    lists: dict[str, str] = yaml.safe_load(path.read_text("utf-8"))
    fields: dict[str, frozenset[str]] = {}
    for name, entries in lists.items():
        fields[name] = frozenset(entry.strip() for entry in entries.split(","))
    return Stops(**fields)


def phrases(
    names: Iterable[str], weights: Mapping[str, float], stops: Stops, listed: Finder
) -> list[str]:
    """The phrases among names, folded and sorted.

    `listed` finds the terms of terms.yaml; a phrase that holds one of them is left out.
    """
    candidates: set[str] = set()
    for name in names:
        phrase = _LAST.sub("", folded(name))
        if not _PHRASE.fullmatch(phrase) or not _is_telling(phrase, weights):
            continue
        if not stops.stops(phrase) and not listed.find(phrase).terms:
            candidates.add(phrase)
    return sorted(phrase for phrase in candidates if candidates.isdisjoint(_parts(phrase)))


def _is_telling(phrase: str, weights: Mapping[str, float]) -> bool:
    """Whether a phrase is short enough and one of its words is clearly medical."""
    words = phrase.split()
    if len(words) > MAX_PHRASE_WORDS:
        return False
    return max(weights.get(word, 0.0) for word in words) >= MIN_TELLING_WEIGHT


def _parts(phrase: str) -> Iterator[str]:
    """Every run of two words or more that is shorter than the phrase."""
    words = phrase.split()
    for length in range(2, len(words)):
        for start in range(len(words) - length + 1):
            yield " ".join(words[start : start + length])
