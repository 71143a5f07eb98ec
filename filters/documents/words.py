"""Find the words of documents and of watermarks in lines that were read from a picture.

A reader of pictures loses spaces and accents ("Dateofbirth", "Nationalite"). So lines and words are
compared without both, in small letters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

SHORTEST_MISREAD = 8  # letters of a word in which one wrong letter is forgiven
SHORTEST_WITHIN = 6  # letters of a word that may stand within another, as in "Dateofbirth"
MACHINE_LINE_CHARS = 20  # the lines of ICAO Doc 9303 that machines read have 30, 36 or 44
MACHINE_LINE_FILLERS = 5  # of "<", which stands on nothing else
LETTER = "letter"  # the kind of document that begins with a place and a date
# "Norwich, 14 June 2023" or "Kassel, den 3.5.2021"
_DATED_LINE = re.compile(r"[^\W\d][^\d]{1,40}\d{1,2}[^\d]{1,12}(?:\d{1,2}\.)?(?:19|20)\d\d\.?")
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

    `titles` and `watermarks_alone` are words that must fill a line to count. `misread` leads from
    a word of a kind with a letter left out to that word.
    """

    by_kind: Mapping[str, frozenset[str]]
    titles: Mapping[str, frozenset[str]]
    misread: Mapping[str, frozenset[str]]
    watermarks: frozenset[str]
    watermarks_alone: frozenset[str]

    def found(self, lines: Sequence[str]) -> dict[str, int]:
        """Kind -> how many of its words stand in the lines; kinds without a word are left out.

        A word within a longer one ("date of birth" in "date and place of birth") counts once.
        """
        whole_lines = {folded(line) for line in lines}
        numbers: dict[str, int] = {}
        for kind, words in self.by_kind.items():
            exact = _standing_in(lines, words)
            # a line with a word of this kind ("Passport to") is not read as another one as well
            others = [line for line in whole_lines if not any(word in line for word in exact)]
            read = exact | (self._almost_read(others) & words)
            number = len(_longest(read)) + len(whole_lines & self.titles.get(kind, frozenset()))
            if number:
                numbers[kind] = number
        # A place and a date stand on posters too: they make a letter more likely, and none alone.
        if LETTER in numbers and any(_DATED_LINE.fullmatch(line.strip()) for line in lines):
            numbers[LETTER] += 1
        return numbers

    def _almost_read(self, whole_lines: Iterable[str]) -> set[str]:
        """The words that fill a line but for one letter that is wrong, missing or too many.

        Two texts differ in one letter if they are equal once a letter of each is left out.
        """
        words: set[str] = set()
        for line in whole_lines:
            if len(line) >= SHORTEST_MISREAD - 1:
                for shorter in _without_a_letter(line):
                    words |= self.misread.get(shorter, frozenset())
        return words

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


def _without_a_letter(text: str) -> Iterator[str]:
    """The text, and the text without each of its letters."""
    yield text
    for place in range(len(text)):
        yield text[:place] + text[place + 1 :]


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
    titles = {
        kind: frozenset(folded(word) for word in words) for kind, words in lists["titles"].items()
    }
    misread: dict[str, set[str]] = {}
    for word in frozenset().union(*by_kind.values()):
        if len(word) >= SHORTEST_MISREAD:
            for shorter in _without_a_letter(word):
                misread.setdefault(shorter, set()).add(word)
    watermarks = frozenset(folded(word) for word in lists["watermarks"])
    alone = frozenset(folded(word) for word in lists["watermarks_alone"])
    frozen = {shorter: frozenset(words) for shorter, words in misread.items()}
    return DocumentWords(by_kind, titles, frozen, watermarks, alone)
