"""Fold letters, so that a query and a text are the same however they were written.

`MÜNCHEN`, `munchen`, and `München` in full-width letters or with a combining mark become `munchen`.
Captions and queries are folded by this module alone.

What is equal follows the primary strength of ICU's search collation (Unicode Technical Standard 10
and CLDR), which ignores case, accents and compatibility forms. It is left where two words would
become one that readers of a language hold apart: marks of Japanese, Thai, Lao, Khmer and Burmese
make other letters and stay, and so does й. It is also left where keyboards differ: the dotless i of
Turkish is an i, and the Persian ک and ی are the Arabic ones (as in Lucene's PersianNormalizer).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

LETTERS = {
    "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ł": "l", "ŧ": "t", "ı": "i",
    "ƀ": "b", "ɨ": "i", "ʉ": "u", "ɇ": "e", "ƶ": "z", "ǥ": "g", "ȼ": "c", "ɍ": "r", "ɏ": "y",
    "ґ": "г", "ғ": "г",
    "ة": "ه", "ى": "ي", "ی": "ي", "ک": "ك", "ٱ": "ا",
}  # fmt: skip
"""Letters that Unicode does not decompose, and what they are equal to."""
NO_LETTERS = dict.fromkeys("©®™℠", " ")
"""Signs behind a word that are no part of it. Compatibility forms would make letters of them."""
MAX_MARKS = 30
"""Behind one letter, as in the Stream-Safe Text Format (Unicode Standard Annex 15)."""
TATWEEL = "\u0640"  # lengthens Arabic words for looks
FIRST_KATAKANA, LAST_KATAKANA = 0x30A1, 0x30F6
TO_HIRAGANA = 0x60  # katakana lie so much behind the hiragana of the same sounds
# Planes 0 and 1, and the tags and selectors of plane 14: no other has marks, digits or controls.
PLACES = (range(0x20000), range(0xE0000, 0xE0200))
KEPT_MARKS = frozenset({0, 8, 9, 103, 107, 118, 122, 129, 130, 132})
"""Combining classes of marks that make another letter (Unicode Standard, table 4-3): 0 are vowels
of Indic scripts, 8 the voicing of kana, 9 viramas, the others vowels and tones of Thai, Lao and
Tibetan."""


def fold(text: str) -> str:
    """Return a text in the form in which words are compared."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", lower(text))
    # Not an и with an accent: мой (my) and мои (mine) are two words.
    kept = decomposed.replace("и\u0306", "й")
    return unicodedata.normalize("NFC", kept.translate(_folded_letters()))


def lower(text: str) -> str:
    """Return a text in lower case and compatibility forms, with its accents, as stemmers want it.

    Full case folding: `STRASSE` and `Straße` become `strasse`.
    """
    if text.isascii():
        return text.lower()
    bounded = _runs_of_marks().sub(r"\1", text)
    without_signs = bounded.translate(_no_letters())
    folded = unicodedata.normalize("NFKC", without_signs).casefold()
    # Folding may take a composed letter apart.
    return unicodedata.normalize("NFKC", folded).translate(_ignored())


@lru_cache(1)
def _runs_of_marks() -> re.Pattern[str]:
    """Match more than MAX_MARKS marks in a row, of which the first ones are to be kept.

    Unicode sorts the marks behind a letter, which takes quadratic time.
    """
    codes = (code for place in PLACES for code in place)
    marks = "".join(chr(code) for code in codes if unicodedata.combining(chr(code)))
    return re.compile(f"([{marks}]{{{MAX_MARKS}}})[{marks}]+")


@lru_cache(1)
def _no_letters() -> Mapping[int, str]:
    return {ord(sign): space for sign, space in NO_LETTERS.items()}


@lru_cache(1)
def _ignored() -> Mapping[int, None]:
    """Return what is no part of a word: soft hyphens, joiners, selectors, frames around letters."""
    ignored = {ord(TATWEEL): None}
    for place in PLACES:
        for code in place:
            is_selector = unicodedata.name(chr(code), "").startswith("VARIATION SELECTOR")
            if is_selector or unicodedata.category(chr(code)) in ("Cf", "Me"):
                ignored[code] = None
    return ignored


@lru_cache(1)
def _folded_letters() -> Mapping[int, str | int | None]:
    """Return code of a letter or mark -> what it becomes."""
    table: dict[int, str | int | None] = {}
    for place in PLACES:
        for code in place:
            letter = chr(code)
            if unicodedata.combining(letter) not in KEPT_MARKS:
                table[code] = None
            elif unicodedata.category(letter) == "Nd":
                table[code] = str(unicodedata.digit(letter))
    for code in range(FIRST_KATAKANA, LAST_KATAKANA + 1):
        table[code] = code - TO_HIRAGANA
    table.update({ord(letter): folded for letter, folded in LETTERS.items()})
    return table
