"""How clearly the words around a number announce it as a telephone number.

A word may stand before a number ("Tel. 030 901820") or in brackets behind it ("... (phone)"). The
words of some forty languages are in `phone_words.yaml`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

from filters.batch import RowMask
from filters.folding import folded_words
from filters.loosened import rows_with
from filters.text_batch import TextBatch

WINDOW = 48  # characters before a number in which a word may announce it
_WORD = re.compile(r"[^\W\d_]+")
# Redaction writes [PHONE], which announces nothing.
_OF_REDACTION = "[", "PHONE"


class Announced(IntEnum):
    """How clearly words announce a number; a higher value says more."""

    NOT = 0
    FAR = 1  # an ambiguous word some words before: "ring size 52"
    NEAR = 2  # another such word some words before: "Tel. (office) 030 901820"
    WEAKLY = 3  # an ambiguous word and a blank: "Nokia phone 3310", "phone 030 901820"
    CLEARLY = 4  # "Tel. 030", "phone: 030", "call us on 030"


@dataclass(frozen=True, slots=True)
class PhoneWords:
    """The lists of phone_words.yaml, ready for searching.

    - `joined`, `joined_before`: words of scripts without blanks; anywhere, and at a text's end.
    - `bracketed`: such a word in brackets.
    """

    words: frozenset[str]
    ambiguous: frozenset[str]
    links: frozenset[str]
    owners: frozenset[str]
    numbers: frozenset[str]
    joined: re.Pattern[str]
    joined_before: re.Pattern[str]
    bracketed: re.Pattern[str]


@lru_cache(1)
def phone_words() -> PhoneWords:
    """The shipped lists."""
    text = files("filters.privacy").joinpath("phone_words.yaml").read_text("utf-8")
    lists: Mapping[str, Any] = yaml.safe_load(text)
    joined = _any_of(_all(lists["joined"]))
    links = _any_of(lists["joined_links"])
    in_brackets = _any_of(lists["in_brackets"])
    return PhoneWords(
        words=frozenset(_all(lists["words"])),
        ambiguous=frozenset(lists["ambiguous"]),
        links=frozenset(_all(lists["links"])),
        owners=frozenset(lists["owners"]),
        numbers=frozenset(lists["numbers"]),
        joined=re.compile(joined),
        # U+FE0F shows a sign as a coloured picture
        joined_before=re.compile(rf"{joined}\ufe0f?{links}?[\W_]*$"),
        bracketed=re.compile(
            rf"\s?[(\[]\s?(?:[^\W\d_]{{1,12}}\s)?{in_brackets}\.?\s?[)\]]", re.IGNORECASE
        ),
    )


def _all(by_language: Mapping[str, Iterable[str]]) -> list[str]:
    return [word for words in by_language.values() for word in words]


def _any_of(words: Iterable[str]) -> str:
    """A pattern for one of these words, the longest that fits."""
    longest_first = sorted(words, key=len, reverse=True)
    return "(?:" + "|".join(map(re.escape, longest_first)) + ")"


def announced(text: str, start: int, end: int) -> Announced:
    """How the words before `start`, or those in brackets behind `end`, announce a number."""
    lists = phone_words()
    if lists.bracketed.match(text, end):
        return Announced.CLEARLY
    window_start = max(0, start - WINDOW)
    window = text[window_start:start]
    found = list(_WORD.finditer(window))
    if window_start and found and found[0].start() == 0:
        del found[0]  # the window has cut it off
    by_words = _by_words(lists, window, found)
    if by_words == Announced.CLEARLY or window.isascii():
        return by_words
    if lists.joined_before.search(window):
        return Announced.CLEARLY
    by_sign = Announced.NEAR if lists.joined.search(window) else Announced.NOT
    return max(by_words, by_sign)


def may_announce(texts: TextBatch, among: RowMask) -> RowMask:
    """Which of many texts have something that may announce a number, of those in `among`."""
    lists = phone_words()
    found = rows_with(texts.column, (lists.joined, lists.bracketed), among=among)
    words = texts.with_words(_folded(lists.words))
    # an owner announces a number by such a word alone: "my number is"
    words |= texts.with_words(_folded(lists.owners)) & texts.with_words(_folded(lists.numbers))
    return found | (among & words)


@lru_cache(4)  # one entry a list
def _folded(words: frozenset[str]) -> frozenset[str]:
    return frozenset(map(folded_words, words))


def _by_words(lists: PhoneWords, window: str, found: list[re.Match[str]]) -> Announced:
    """Read the words before a number from the last to the first."""
    is_linked = True  # nothing but links stands between the word and the number
    links: set[str] = set()
    end = len(window)
    for place, word in reversed(list(enumerate(found))):
        name = word[0].lower()
        gap = window[word.end() : end]
        is_linked = is_linked and not any(character.isdigit() for character in gap)
        if name in lists.words and not _is_of_redaction(window, word):
            is_ambiguous = name in lists.ambiguous
            if not is_linked:
                return Announced.FAR if is_ambiguous else Announced.NEAR
            is_bare = not links and not gap.strip() and not _is_of_number(lists, found[:place])
            return Announced.WEAKLY if is_bare and is_ambiguous else Announced.CLEARLY
        if is_linked and name in lists.owners and links & lists.numbers:
            return Announced.CLEARLY
        is_linked = is_linked and name in lists.links
        if is_linked:
            links.add(name)
        end = word.start()
    return Announced.NOT


def _is_of_number(lists: PhoneWords, before: list[re.Match[str]]) -> bool:
    """Whether these words end as in "número de (telefone)"."""
    for word in reversed(before):
        name = word[0].lower()
        if name in lists.numbers:
            return True
        if name not in lists.links:
            return False
    return False


def _is_of_redaction(window: str, word: re.Match[str]) -> bool:
    bracket, name = _OF_REDACTION
    return word[0] == name and window[: word.start()].endswith(bracket)
