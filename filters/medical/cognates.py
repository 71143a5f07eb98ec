"""Recognise the Greek and Latin words that all languages of medicine share, by their skeleton.

"Karzinom", "carcinome", "carcinoom" and "carcinoma" have the skeleton "carcinom": spelling rules
take away what differs between the languages. make_words.py gives such a word the medical share of
its English cognate.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

MIN_CHARS = 6  # of a skeleton; shorter ones are cognates by chance

# Applied in this order to a word without accents. What stands alike in all languages stays.
_ENDINGS_IN_CION = re.compile(r"(?:[tzc]ion(?:e|i|s|es|en)?|c(?:ao|oes)|(?<=a)ties?|cj[aieo])$")
_SPELLINGS = (
    ("oe", "e"), ("ae", "e"), ("ph", "f"), ("rh", "r"), ("th", "t"), ("sch", "c"),
    ("qu", "c"), ("ch", "c"), ("ck", "c"), ("k", "c"), ("x", "cs"), ("y", "i"), ("j", "i"),
    ("w", "v"), ("z", "c"), ("h", ""),
)  # fmt: skip
_DOUBLE_LETTER = re.compile(r"(.)\1")
_ENDINGS = {
    "en": re.compile(r"(?:[aeiouy]+s?|s|is|ia|um|us)$"),
    "de": re.compile(r"(?:en|er|em|es|[aeiouy]+[sn]?|n|s|is|ien|um|us)$"),
    "nl": re.compile(r"(?:en|es|[aeiouy]+s?|s|is|um|us)$"),
    "fr": re.compile(r"(?:eu[xs]|[aeiouy]+s?|s|is|um|us)$"),
    "es": re.compile(r"(?:[aeiouy]+s?|s|is|um|us)$"),
    "it": re.compile(r"(?:[aeiouy]+|is|um|us)$"),
    "pt": re.compile(r"(?:[aeiouy]+s?|s|is|um|us)$"),
    "pl": re.compile(r"(?:ami|ac|om|ov|ego|ei|im|imi|is|um|us|[aeiou]+)$"),
}
_ADJECTIVES = (
    (("icn", "isc", "iqe", "ics"), "ic"),  # hepatic, hepatisch, hépatique, -yczny
    (("osn", "ous", "eus", "e"), "os"),  # venous, venoso, veineux
    (("aln",), "al"),  # pleuralny
)


_SPECIAL_LETTERS = str.maketrans({"ß": "ss", "ł": "l", "ä": "ae", "ö": "oe"})


def without_accents(word: str) -> str:
    """A word in lower case, without accents and other marks of its letters."""
    word = word.lower()
    if word.isascii():
        return word
    letters = unicodedata.normalize("NFD", word.translate(_SPECIAL_LETTERS))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def skeleton(word: str, language: str) -> str:
    """The skeleton of a word of one of the shipped languages; empty where it is too short."""
    return _without_ending(_spelt_alike(word), language)


def skeletons(word: str, languages: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each of some languages, and the skeleton of a word as one of it."""
    bare = _spelt_alike(word)
    for language in languages:
        yield language, _without_ending(bare, language)


def _spelt_alike(word: str) -> str:
    """A word without what differs between the languages, but for its ending."""
    bare = without_accents(word)
    bare = _ENDINGS_IN_CION.sub("cion", bare)
    for spelling, replacement in _SPELLINGS:
        bare = bare.replace(spelling, replacement)
    return _DOUBLE_LETTER.sub(r"\1", bare)


def _without_ending(bare: str, language: str) -> str:
    if not bare.endswith("cion"):
        bare = _ENDINGS[language].sub("", bare)
    for endings, replacement in _ADJECTIVES:
        for ending in endings:
            if bare.endswith(ending):
                bare = bare.removesuffix(ending) + replacement
                break
    return bare if len(bare) >= MIN_CHARS else ""
