"""Recognise the Greek and Latin words that all languages of medicine share, by their skeleton.

"Karzinom", "carcinome", "carcinoom" and "carcinoma" have the skeleton "carcinom": spelling rules
take away what differs between the languages. make_words.py gives such a word the medical share of
its English cognate.
"""

from __future__ import annotations

import re
import unicodedata

MIN_CHARS = 6  # of a skeleton; shorter ones are cognates by chance

# Applied in this order to a word without accents. What stands alike in all languages stays.
_SPELLINGS = (
    (r"(?:[tzc]ion(?:e|i|s|es|en)?|c(?:ao|oes)|(?<=a)ties?|cj[aieo])$", "cion"),
    (r"oe|ae", "e"),
    (r"ph", "f"),
    (r"rh", "r"),
    (r"th", "t"),
    (r"sch", "c"),
    (r"qu|ch|ck|k", "c"),
    (r"x", "cs"),
    (r"[yj]", "i"),
    (r"w", "v"),
    (r"z", "c"),
    (r"h", ""),
    (r"(.)\1", r"\1"),  # double letters
)
_ENDINGS = {
    "en": r"(?:[aeiouy]+s?|s|is|ia|um|us)$",
    "de": r"(?:en|er|em|es|[aeiouy]+[sn]?|n|s|is|ien|um|us)$",
    "nl": r"(?:en|es|[aeiouy]+s?|s|is|um|us)$",
    "fr": r"(?:eu[xs]|[aeiouy]+s?|s|is|um|us)$",
    "es": r"(?:[aeiouy]+s?|s|is|um|us)$",
    "it": r"(?:[aeiouy]+|is|um|us)$",
    "pt": r"(?:[aeiouy]+s?|s|is|um|us)$",
    "pl": r"(?:ami|ac|om|ov|ego|ei|im|imi|is|um|us|[aeiou]+)$",
}
_ADJECTIVES = (
    (r"(?:icn|ic|ics|isc|iqe)$", "ic"),  # hepatic, hepatisch, hépatique, -yczny
    (r"(?:osn|os|ous|eus|e)$", "os"),  # venous, venoso, veineux
    (r"aln$", "al"),  # pleuralny
)


def without_accents(word: str) -> str:
    """A word in lower case, without accents and other marks of its letters."""
    word = word.lower()
    for letter, plain in (("ß", "ss"), ("ł", "l"), ("ä", "ae"), ("ö", "oe")):
        word = word.replace(letter, plain)
    letters = unicodedata.normalize("NFD", word)
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def skeleton(word: str, language: str) -> str:
    """The skeleton of a word of one of the shipped languages; empty where it is too short."""
    bare = without_accents(word)
    for pattern, replacement in _SPELLINGS:
        bare = re.sub(pattern, replacement, bare)
    if not bare.endswith("cion"):
        bare = re.sub(_ENDINGS[language], "", bare)
    for pattern, replacement in _ADJECTIVES:
        bare = re.sub(pattern, replacement, bare)
    return bare if len(bare) >= MIN_CHARS else ""
