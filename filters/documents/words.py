"""Find the words of documents and of watermarks in lines that were read from a picture.

A reader of pictures loses spaces and accents ("Dateofbirth", "Nationalite"). So lines and words are
compared without both, in small letters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

SHORTEST_WITHIN = 6  # letters of a word that may stand within another, as in "Dateofbirth"
MACHINE_LINE_CHARS = 20  # the lines of ICAO Doc 9303 that machines read have 30, 36 or 44
MACHINE_LINE_FILLERS = 5  # of "<", which stands on nothing else
_NO_LETTER = re.compile(r"[\W_]+")
# letters that no accent makes: NFKD leaves them as they are
_OTHER_LETTERS = str.maketrans({"ł": "l", "ß": "ss", "æ": "ae", "ø": "o", "œ": "oe", "đ": "d"})


def folded(text: str) -> str:
    """The letters and digits of a text in small letters, without accents, spaces and signs."""
    return _NO_LETTER.sub("", _plain(text))


def folded_words(text: str) -> list[str]:
    """The words of a text, each in small letters and without accents."""
    return [word for word in _NO_LETTER.split(_plain(text)) if word]


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.lower())
    letters = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return letters.translate(_OTHER_LETTERS)


@dataclass(frozen=True)
class DocumentWords:
    """Folded words: those of each kind of document, and those of watermarks.

    `watermarks_alone` are words that must fill a line to be a watermark.
    """

    by_kind: Mapping[str, frozenset[str]]
    watermarks: frozenset[str]
    watermarks_alone: frozenset[str]

    def found(self, lines: Sequence[str]) -> dict[str, int]:
        """Kind -> how many of its words stand in the lines; kinds without a word are left out.

        A word within a longer one ("date of birth" in "date and place of birth") counts once.
        """
        numbers: dict[str, int] = {}
        for kind, words in self.by_kind.items():
            number = len(_longest(_standing_in(lines, words)))
            if number:
                numbers[kind] = number
        return numbers

    def has_watermark(self, lines: Sequence[str]) -> bool:
        """Whether the name of an agency, or a word such as "preview", stands in the lines."""
        if _standing_in(lines, self.watermarks):
            return True
        return not self.watermarks_alone.isdisjoint(folded(line) for line in lines)


def _standing_in(lines: Iterable[str], words: Iterable[str]) -> set[str]:
    """Those of the folded words that stand in a line; short ones must stand alone."""
    squeezed_lines, single_words = [], set()
    for line in lines:
        squeezed_lines.append(folded(line))
        single_words.update(folded_words(line))
    squeezed = " ".join(squeezed_lines)
    return {
        word
        for word in words
        if word in single_words or (len(word) >= SHORTEST_WITHIN and word in squeezed)
    }


def _longest(words: set[str]) -> list[str]:
    """The words that stand within no other of them."""
    return [word for word in words if not any(word != other and word in other for other in words)]


def is_machine_line(line: str) -> bool:
    """Whether a line looks like those of passports and cards that machines read."""
    squeezed = line.replace(" ", "")
    is_long = len(squeezed) >= MACHINE_LINE_CHARS
    return is_long and squeezed.count("<") >= MACHINE_LINE_FILLERS


@lru_cache(1)
def document_words() -> DocumentWords:
    """The words of words.yaml."""
    text = files("filters.documents").joinpath("words.yaml").read_text("utf-8")
    lists: Mapping[str, Any] = yaml.safe_load(text)
    person = frozenset(folded(word) for word in lists["person"])
    by_kind = {}
    for kind, words in lists["kinds"].items():
        own = frozenset(folded(word) for word in words)
        by_kind[kind] = own | person if kind in lists["with_person"] else own
    watermarks = frozenset(folded(word) for word in lists["watermarks"])
    alone = frozenset(folded(word) for word in lists["watermarks_alone"])
    return DocumentWords(by_kind, watermarks, alone)
