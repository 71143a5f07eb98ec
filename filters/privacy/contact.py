"""Find e-mail addresses and telephone numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

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

# Words that announce a number, in the shipped languages. The number follows within _CUE_WINDOW.
# "PHONE]" is excluded because redaction writes [PHONE].
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
# Regions whose national numbers are recognised after a cue word: those of the shipped languages.
_REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "PT", "BR", "MX", "NL", "PL")
# seven digits or more
_NUMBER = re.compile(r"\(?\d(?:[\s().\-/]{0,3}\d){6,16}")
_GAP = re.compile(r"\s+")
_INTERNATIONAL = re.compile(r"[+＋]\s?\(?\d")


def email_spans(text: str) -> Iterator[Span]:
    """E-mail addresses under a known public suffix.

    Also finds "name (at) host (dot) org" and "name at host dot org".
    """
    # most captions have no such sign, and the patterns below are slow
    if not _EMAIL_SIGN.search(text):
        return
    for pattern in (_EMAIL, _SPOKEN):
        for match in pattern.finditer(text):
            host = _DOT_WRITTEN.sub(".", match["host"]).lower()
            # an unknown suffix is a file's: logo@2x.png is not an address
            if _suffixes().privatesuffix(host, accept_unknown=False):
                yield Span("EMAIL", match.start(), match.end())


@lru_cache(1)
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def phone_spans(text: str) -> Iterator[Span]:
    """International numbers (+CC ...), and national ones after a cue word.

    Cues are words such as Tel, Call or WhatsApp, and the prefix 00.
    """
    if not _NUMBER.search(text):
        return
    if _INTERNATIONAL.search(text):
        from phonenumbers import PhoneNumberMatcher

        for match in PhoneNumberMatcher(text, None):
            yield Span("PHONE", match.start, match.end)
    for cue in _PHONE_CUE.finditer(text):
        for digits in _NUMBER.finditer(text, cue.end(), cue.end() + _CUE_WINDOW):
            start = _start_of_national(text, digits)
            if start is not None:
                yield Span("PHONE", start, digits.end())


def _start_of_national(text: str, digits: re.Match[str]) -> int | None:
    """Where a valid national number starts among matched digits; None when there is none."""
    for start in _possible_starts(digits):
        if _is_national(text[start : digits.end()]):
            return start
    return None


def _possible_starts(digits: re.Match[str]) -> Iterator[int]:
    """Where a number can start: in "24/7 800 356 9377" another number stands before it."""
    yield digits.start()
    for gap in _GAP.finditer(digits[0]):
        yield digits.start() + gap.end()


def _is_national(number: str) -> bool:
    if _NUMBER.fullmatch(number) is None:
        return False
    return any(_is_valid(number, region) for region in _REGIONS)


def _is_valid(number: str, region: str) -> bool:
    import phonenumbers

    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False
