"""E-mail addresses and telephone numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import phonenumbers
from publicsuffixlist import PublicSuffixList

from filters.rule import Span

_AT = r"(?:\s?@\s?|\s?[\[({]\s?at\s?[\])}]\s?)"
_DOT = r"(?:\.|\s?[\[({]\s?dot\s?[\])}]\s?)"
_EMAIL_SIGN = re.compile(r"@|[\[({]\s?at\s?[\])}]|\bat\b.{1,60}\bdot\b", re.IGNORECASE)
_EMAIL = re.compile(
    rf"(?<![\w.+%-])[\w.+%-]{{1,64}}{_AT}(?P<host>(?:[\w-]{{1,63}}{_DOT}){{1,6}}[^\W\d_]{{2,24}})(?!\w)",
    re.IGNORECASE,
)
_SPOKEN = re.compile(
    r"\b[\w.+-]{1,64}(?: dot [\w-]{1,30}){0,3} at (?P<host>[\w-]{1,63} dot "
    r"(?:com|org|net|edu|info|de|fr|es|it|nl|pl|pt|uk))\b",
    re.IGNORECASE,
)
_DOT_WRITTEN = re.compile(r"\s?[\[({]?\s?\bdot\b\s?[\])}]?\s?", re.IGNORECASE)

# Words that announce a number, in the shipped languages; the number stands within a window behind
# them. [PHONE] is our own.
_PHONE_CUE = re.compile(
    r"(?<![^\W_])(?!(?-i:PHONE\]))(?:tel(?:efon(?:o|e|as?|ieren)?|éfono|éphone|éf|f)?"
    r"|phone|ph|call|ring|mobile?|mob|cell(?:ulare|ular)?|fax|whats ?app|sms"
    r"|tél(?:éphone)?|teléfono"
    r"|móvil|celular|telemóvel|ruf(?:nummer)?|handy|portable"
    r"|appelez|llame|llamar|reservas?|bel|gsm"
    r"|zadzwoń|dzwoń|kom(?:órka)?|contact(?:o|to)?|kontakt)(?![^\W_])|(?<!\d)(?=00[1-9]\d)",
    re.IGNORECASE,
)
_CUE_WINDOW = 48  # characters behind a cue word: two numbers, or one and a few words
# Regions whose national numbers are known again behind a cue word: those of the shipped languages.
_REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "PT", "BR", "MX", "NL", "PL")
# seven digits are the shortest number that is taken for one
_NUMBER = re.compile(r"\(?\d(?:[\s().\-/]{0,3}\d){6,16}")
_GAP = re.compile(r"\s+")
_INTERNATIONAL = re.compile(r"[+＋]\s?\(?\d")


def email_spans(text: str) -> Iterator[Span]:
    """E-mail addresses under a known public suffix, also "name (at) host (dot) org" and "name at
    host dot org".
    """
    if not _EMAIL_SIGN.search(text):
        return
    for pattern in (_EMAIL, _SPOKEN):
        for match in pattern.finditer(text):
            host = _DOT_WRITTEN.sub(".", match["host"]).lower()
            if _suffixes().privatesuffix(host, accept_unknown=False):  # logo@2x.png is no address
                yield Span("EMAIL", match.start(), match.end())


@lru_cache(1)
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def phone_spans(text: str) -> Iterator[Span]:
    """International numbers (+CC ...), and national ones behind a cue word (Tel, Call, WhatsApp,
    00...).
    """
    if not _NUMBER.search(text):
        return
    if _INTERNATIONAL.search(text):
        for match in phonenumbers.PhoneNumberMatcher(text, None):
            yield Span("PHONE", match.start, match.end)
    for cue in _PHONE_CUE.finditer(text):
        for written in _NUMBER.finditer(text, cue.end(), cue.end() + _CUE_WINDOW):
            start = next(
                (
                    start
                    for start in _beginnings(written)
                    if _is_national(text[start : written.end()])
                ),
                None,
            )
            if start is not None:
                yield Span("PHONE", start, written.end())


def _beginnings(written: re.Match[str]) -> Iterator[int]:
    """Where the number may begin: "24/7 800 356 9377" is preceded by another."""
    yield written.start()
    yield from (written.start() + gap.end() for gap in _GAP.finditer(written[0]))


def _is_national(number: str) -> bool:
    return _NUMBER.fullmatch(number) is not None and any(
        _is_valid(number, region) for region in _REGIONS
    )


def _is_valid(number: str, region: str) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False
