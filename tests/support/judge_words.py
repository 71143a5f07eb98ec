"""Judges the pairs of words.jsonl anew, and prints those that come out differently.

    pip install icukit-pyicu snowballstemmer
    python tests/support/judge_words.py

The frozen answers are of ICU 78.3 (Unicode 17, CLDR 48) and snowballstemmer 3.1.1. A pair is a
query and a text that should hold it, or not:

- icu: a word of the text is equal to each word of the query at primary strength of the search
  collation of the root or of the language (type "search", https://www.unicode.org/reports/tr35/
  tr35-collation.html), from one border of a word to another. Scripts without spaces, and
  Hangul, need only borders of letters. Japanese, Thai, Lao, Khmer and Burmese are compared at
  secondary strength: their marks make other letters.
- icu-shifted: the same with punctuation ignored (alternate handling "shifted", UTS 10).
- snowball: a word of the text has the stem of the query's word in the language. Accents of stems
  do not count.
- hand: what no oracle decides; the rest of the name says what it is about.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from pathlib import Path

import icu
import snowballstemmer

SET = Path(__file__).parents[1] / "search" / "sets" / "words.jsonl"
NOT_SPACED = ("zh", "ja", "ko", "th", "lo", "km", "my")
SECONDARY = ("ja", "th", "lo", "km", "my")
STEMMERS = {
    "ar": "arabic", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "fi": "finnish", "fr": "french", "hu": "hungarian", "it": "italian", "nb": "norwegian",
    "nl": "dutch", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sv": "swedish",
    "ta": "tamil", "tr": "turkish",
}  # fmt: skip


def collator(locale_name, language):
    locale = icu.Locale.forLanguageTag(f"{locale_name}-u-co-search")
    made = icu.Collator.createInstance(locale)
    is_secondary = language in SECONDARY
    made.setStrength(icu.Collator.SECONDARY if is_secondary else icu.Collator.PRIMARY)
    return made


def holds_word(locale_name, language, word, text):
    breaks = icu.BreakIterator.createWordInstance(icu.Locale(locale_name))
    if language in NOT_SPACED:
        breaks = icu.BreakIterator.createCharacterInstance(icu.Locale(locale_name))
    shown = icu.UnicodeString(text)
    breaks.setText(shown)
    search = icu.StringSearch(icu.UnicodeString(word), shown, collator(locale_name, language))
    search.setAttribute(icu.USearchAttribute.OVERLAP, icu.USearchAttributeValue.ON)
    at = search.first()
    while at != -1:
        if breaks.isBoundary(at) and breaks.isBoundary(at + search.getMatchedLength()):
            return True
        at = search.nextMatch()
    return False


def by_icu(language, query, text):
    return all(
        any(holds_word(name, language, word, text) for name in ("und", language))
        for word in query.split()
    )


def by_icu_shifted(language, query, text):
    shifted = collator(language, language)
    shifted.setAttribute(icu.UCollAttribute.ALTERNATE_HANDLING, icu.UCollAttributeValue.SHIFTED)
    words = text.split()
    runs = [
        "".join(words[first:end])
        for first in range(len(words))
        for end in range(first + 1, len(words) + 1)
    ]
    return any(shifted.compare(query, run) == 0 for run in runs)


def by_snowball(language, query, text):
    stemmer = snowballstemmer.stemmer(STEMMERS[language])

    def stem(word):
        # The letter й is no и with an accent.
        stemmed = stemmer.stemWord(word.lower()).replace("й", "\ue000").replace("ß", "ss")
        decomposed = unicodedata.normalize("NFD", stemmed)
        return "".join(letter for letter in decomposed if not unicodedata.combining(letter))

    return stem(query) in {stem(word) for word in text.split()}


JUDGES = {"icu": by_icu, "icu-shifted": by_icu_shifted, "snowball": by_snowball}


def main():
    for line in SET.read_text("utf-8").splitlines():
        oracle, language, expected, query, text = json.loads(line)
        wanted = expected == "yes"
        if oracle in JUDGES and JUDGES[oracle](language, query, text) != wanted:
            sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
