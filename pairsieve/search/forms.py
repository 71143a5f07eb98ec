"""Other forms under which a word is found: its stem, its parts written as one, its spellings.

A row's forms are stored beside its words, as terms with a prefix: `en:car` is the stem `car` of an
English word, `=xray` is a word that the caption writes otherwise (`X-ray`). A query asks for the
forms of its own words. Stems have their language, because `car` is also the stem of another French
word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

import tantivy

from pairsieve.search.letters import fold, lower

UNSPACED = (
    r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Bopomofo}\p{Yi}\p{Thai}\p{Lao}\p{Khmer}"
    r"\p{Myanmar}\p{Tai_Le}\p{New_Tai_Lue}\p{Tai_Tham}\p{Tai_Viet}ー"
)
"""Scripts that put no spaces between words, and Hangul, which writes particles at words' ends."""
SYMBOLS = r"[\p{So}\p{Extended_Pictographic}--[\p{L}\p{N}©®™℠°¦]]"
"""Emoji and other pictures. Flags are two letters; the other signs stand behind words."""
WORD = rf"\p{{RI}}{{2}}|{SYMBOLS}|[{UNSPACED}]|[[\p{{L}}\p{{M}}\p{{N}}]--[{UNSPACED}]]+"
"""A word, in the syntax of Rust's crate regex."""

STEMMERS: Mapping[str, tuple[str, str]] = MappingProxyType({
    "ar": ("arabic", "Arab"), "da": ("danish", "Latn"), "de": ("german", "Latn"),
    "el": ("greek", "Grek"), "en": ("english", "Latn"), "es": ("spanish", "Latn"),
    "fi": ("finnish", "Latn"), "fr": ("french", "Latn"), "hu": ("hungarian", "Latn"),
    "it": ("italian", "Latn"), "nl": ("dutch", "Latn"), "no": ("norwegian", "Latn"),
    "pt": ("portuguese", "Latn"), "ro": ("romanian", "Latn"), "ru": ("russian", "Cyrl"),
    "sv": ("swedish", "Latn"), "ta": ("tamil", "Taml"), "tr": ("turkish", "Latn"),
})  # fmt: skip
"""Language -> tantivy's name of its stemmer (Snowball), and the script that it reads."""
SCRIPTS = {
    "Latn": r"a-zª-ʯḀ-ỿ", "Grek": "Ͱ-Ͽἀ-῿", "Cyrl": "Ѐ-ԯ", "Arab": "ؠ-ۿ", "Taml": "\u0b80-\u0bff",
}  # fmt: skip
"""Script -> its letters, for a set of a regular expression."""
LANGUAGE_NAMES = MappingProxyType({"nb": "no", "nn": "no"})
DOTTED = "tr"
"""Turkish has an i with a dot and one without."""
KNOWN_WORDS = 1 << 16  # of rows, whose forms are remembered while an index is built
COMMONEST = "en"
"""A short caption is often taken for another language; most are English."""

# Hyphens, apostrophes, and the dot in the middle of Catalan words.
JOINERS = r"\-\u2010\u2011'’ʼ׳״·"
# It begins at the start of a word and gives nothing back: else a long word takes quadratic time.
_COMPOUND = re.compile(rf"(?<![^\W_])[^\W_]++(?:[{JOINERS}][^\W_]++)+")
# One letter between dots; U.S.A. is written USA as well.
_INITIALS = re.compile(r"\b(?:[^\W\d_]\.){2,}[^\W\d_]?(?![\w])")
_JOINER = re.compile(rf"[{JOINERS}.]")
# As in Lucene's FrenchAnalyzer, ItalianAnalyzer and CatalanAnalyzer.
_ELISION = re.compile(
    r"(?:[cdjlmnstv]|qu|jusqu|lorsqu|puisqu|quoiqu|un|gl|all|dall|dell|nell|sull|agl|dagl|degl|"
    r"negl|sugl)['’](\w{2,})"
)
_POSSESSIVE = re.compile(r"(\w{2,})['’]s")
# How letters are written where the keyboard lacks them: German, the Nordic languages.
WRITTEN_OUT = {"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"}
# Korean particles that seldom end another word; what stands before them must have two syllables.
_PARTICLE = re.compile(
    r"([가-힣]{2,}?)(?:에서는|에서|에게|에는|으로|까지|부터|처럼|은|는|가|을|를|의|에|와|과)"
)


@lru_cache(1)
def words_analyzer() -> tantivy.TextAnalyzer:
    """Return what splits folded text into words, for rows and for queries."""
    return tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.regex(WORD)).build()


@lru_cache(len(STEMMERS))
def _stemmer(language: str) -> tantivy.TextAnalyzer:
    """Return what splits text into the stems of one language."""
    name, script = STEMMERS[language]
    letters = SCRIPTS[script]
    words = rf"[{letters}\p{{M}}]{{2,}}"
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.regex(words))
    return builder.filter(tantivy.Filter.stemmer(name)).build()


def forms_of_text(text: str, language: str) -> list[str]:
    """Return the forms of a caption. `language` is as rows have it: "en", or empty."""
    joined = list(compounds(text))
    forms = {f"={word}" for word in joined}
    name = LANGUAGE_NAMES.get(language, language)
    languages = {COMMONEST, name} if name in STEMMERS else {COMMONEST}
    words: set[str] = {*words_analyzer().analyze(lower(text)), *joined}
    for code in languages:
        if code == DOTTED:
            words.update(words_analyzer().analyze(_lower(text, code)))
        for word in words:
            # Letters of scripts without spaces have no stem.
            if len(word) > 1:
                forms |= _forms_in(word, code)
    return sorted(forms)


@lru_cache(KNOWN_WORDS)
def _forms_in(word: str, language: str) -> frozenset[str]:
    """Return the spellings of a word, and the stems of all of them in one language."""
    written = set(written_out(word))
    stems = [_stems(spelling, language) for spelling in (word, *written)]
    return frozenset().union((f"={spelling}" for spelling in written), *stems)


def forms_of_word(word: str) -> list[str]:
    """Return all forms of rows by which a query's word finds them, in every language."""
    forms = {f"={folded}" for folded in words_analyzer().analyze(fold(word))}
    for code in STEMMERS:
        forms.update(_stems(word, code))
    return sorted(forms)


def _stems(text: str, language: str) -> set[str]:
    """Return the stems of a text as terms.

    Stemmers look at accents, which many people do not type. Hence the text is also stemmed without
    them.
    """
    lowered = _lower(text, language)
    folded = fold(lowered)
    analyze = _stemmer(language).analyze
    stems = analyze(lowered)
    if folded != lowered:
        stems = [*analyze(folded), *fold(" ".join(stems)).split(" ")]
    return {f"{language}:{stem}" for stem in stems if stem}


def _lower(text: str, language: str) -> str:
    if language == DOTTED and ("I" in text or "İ" in text):
        text = text.replace("İ", "i").replace("I", "ı")
    return lower(text)


def compounds(text: str) -> Iterator[str]:
    """Yield the words of a text that have hyphens, apostrophes or dots, as one folded word each."""
    for pattern in (_COMPOUND, _INITIALS):
        for match in pattern.finditer(text):
            yield fold(_JOINER.sub("", match[0]))


def written_out(text: str) -> Iterator[str]:
    """Yield the words of a text whose ä, ö, ü, ø or å are written as two letters, folded."""
    lowered = lower(text)
    if not any(letter in lowered for letter in WRITTEN_OUT):
        return
    table = str.maketrans(WRITTEN_OUT)
    for word in words_analyzer().analyze(lowered):
        written = word.translate(table)
        if written != word:
            yield fold(written)


def other_words(chunk: str) -> list[str]:
    """Return what else a query's word may mean: `x-ray` xray, `l'homme` homme, `서울의` 서울.

    A result may be more than one word of the index.
    """
    lowered = lower(chunk)
    found: Sequence[str] = [*compounds(chunk), *written_out(chunk)]
    for pattern in (_ELISION, _POSSESSIVE, _PARTICLE):
        match = pattern.fullmatch(lowered)
        if match:
            found = [*found, match[1]]
    return list(dict.fromkeys(found))
