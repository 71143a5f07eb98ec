"""Find e-mail addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from filters.batch import RowMask
from filters.loosened import rows_with
from filters.rule import Span
from filters.text_batch import TextBatch
from pairsieve.web.urls import public_suffixes

# How people write the two signs against harvesters, in the shipped languages.
_AT_WORD = r"[\[({]\s?(?:at|ät|arobase|arroba|chiocciola|małpa|@)\s?[\])}]"
_DOT_WORD = r"[\[({]\s?(?:dot|punkt|point|punto|ponto|kropka|punt)\s?[\])}]"
# A blank on both sides or on none: in "photo by @anna.art" stands the name of an account.
_AT = rf"(?:[@＠]|\s[@＠]\s|\s?{_AT_WORD}\s?)"
_DOT = rf"(?:\.|\s?{_DOT_WORD}\s?)"
_EMAIL_SIGN = re.compile(rf"[@＠]|{_AT_WORD}|\bat\b.{{1,60}}\bdot\b", re.IGNORECASE)
_EMAIL = re.compile(
    rf"(?<![\w.+%-])[\w.+%-]{{1,64}}{_AT}(?P<host>(?:[\w-]{{1,63}}{_DOT}){{1,6}}[^\W\d_]{{2,24}})(?!\w)",
    re.IGNORECASE,
)
# In texts without blanks between words, where the letters around an address are no part of it.
_ASCII_EMAIL = re.compile(
    r"(?<![a-z0-9.+%_-])[a-z0-9.+%_-]{1,64}[@＠]"
    r"(?P<host>(?:[a-z0-9-]{1,63}\.){1,6}[a-z]{2,24})(?![a-z0-9-])",
    re.IGNORECASE | re.ASCII,
)
_SPOKEN = re.compile(
    r"\b[\w.+-]{1,64}(?: dot [\w-]{1,30}){0,3} at (?P<host>[\w-]{1,63} dot "
    r"(?:com|org|net|edu|info|de|fr|es|it|nl|pl|pt|uk))\b",
    re.IGNORECASE,
)
EMAIL_FORMS = (_EMAIL, _ASCII_EMAIL, _SPOKEN)
_DOT_WRITTEN = re.compile(rf"\s?{_DOT_WORD}\s?|\s?\bdot\b\s?", re.IGNORECASE)
_WIDE_AT = re.compile("＠")
# a picture for dense screens, logo@2x.art
_DENSITY = re.compile(r"\d(?:\.\d)?x\.")


def may_have_email(texts: TextBatch) -> RowMask:
    """Which of many texts may have an address; `email_spans` finds none in others."""
    with_sign = texts.with_any("@[({", _WIDE_AT) | texts.with_words({"dot"})
    return rows_with(texts.column, EMAIL_FORMS, among=with_sign)


def email_spans(text: str) -> Iterator[Span]:
    """E-mail addresses under a known public suffix.

    Also finds "name (at) host (dot) org" and "name at host dot org".
    """
    # most captions have no such sign, and the patterns below are slow
    if not (_has_sign(text) and _EMAIL_SIGN.search(text)):
        return
    for pattern in EMAIL_FORMS:
        for match in pattern.finditer(text):
            host = _DOT_WRITTEN.sub(".", match["host"]).lower()
            # an unknown suffix is a file's: logo@2x.png is not an address
            if not _DENSITY.match(host) and is_public_host(host):
                yield Span("EMAIL", match.start(), match.end())


def _has_sign(text: str) -> bool:
    """Whether a text may have an address: a look that is quicker than the pattern."""
    return any(sign in text for sign in "@＠[({") or "dot" in text.lower()


def is_public_host(host: str) -> bool:
    """Whether a host lies under a known public suffix."""
    return bool(public_suffixes().privatesuffix(host.lower(), accept_unknown=False))
