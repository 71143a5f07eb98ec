"""Media types: what a Content-Type says, and whether bytes look like HTML.

Sources: Fetch standard, "extract a MIME type"; MIME Sniffing standard, 4.4 "parsing a MIME type",
5.1 "interpreting the resource metadata", 7.1 "identifying a resource with an unknown MIME type".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from pairsieve.records.page import Headers

HTML_TYPES = ("text/html", "application/xhtml+xml")
# What these say is as good as nothing: MIME Sniffing, 7.
UNKNOWN_TYPES = ("unknown/unknown", "application/unknown", "*/*")
# So many bytes are looked at: MIME Sniffing, 5.2 "resource header".
SNIFFED_BYTES = 1445
CACHED_CHARS = 200  # longer values are read anew

_WHITESPACE = " \t\r\n"
# What stands between quotes. A backslash takes the character behind it as it is.
_IN_QUOTES = r'(?:[^"\\]|\\.)*+\\?'
# What stands between two commas. A comma between quotes divides nothing; the last may be missing.
_VALUE = re.compile(rf'(?:[^",]|"{_IN_QUOTES}"?)+', re.DOTALL)
_ESSENCE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+/[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# The name of a parameter, and its value with or without quotes. What follows quotes counts nothing.
_PARAMETER = re.compile(
    rf';[{_WHITESPACE}]*([^;=]*)(?:=(?:(")({_IN_QUOTES})"?[^;]*|([^;]*)))?', re.DOTALL
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
# "HTTP quoted-string token code points"
_PARAMETER_TEXT = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

# The patterns for HTML of MIME Sniffing, 7.1. A blank or > must follow each, but for a comment.
_HTML_START = re.compile(
    rb"[\t\n\f\r ]*<(?:!--|(?:!DOCTYPE HTML|HTML|HEAD|SCRIPT|IFRAME|H1|DIV|FONT|TABLE|A|STYLE|TITLE"
    rb"|B|BODY|BR|P)[ >])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type in lower case, and its `charset` as it stands, None where it has none.

    `essence` is the type without its parameters, as "text/html"; empty where none is said.
    """

    essence: str = ""
    charset: str | None = None


NO_TYPE = MediaType()


def media_type(content_type: str) -> MediaType:
    """What a Content-Type says, several ones being joined by commas.

    As in browsers the last valid one counts, and it takes over the charset of one of the same type
    before it.
    """
    # Headers of an archive repeat a few values. A page may write anything.
    is_short = len(content_type) <= CACHED_CHARS
    return _media_type_cached(content_type) if is_short else _media_type(content_type)


def _media_type(content_type: str) -> MediaType:
    last = NO_TYPE
    for value in _VALUE.findall(content_type):
        parsed = _parse(value)
        if parsed.essence == last.essence and parsed.charset is None:
            parsed = replace(parsed, charset=last.charset)
        if parsed.essence:
            last = parsed
    return last


_media_type_cached = lru_cache(256)(_media_type)


def _parse(value: str) -> MediaType:
    """One media type; NO_TYPE where it is malformed or says nothing."""
    value = value.strip(_WHITESPACE)
    essence = value.partition(";")[0].rstrip(_WHITESPACE).lower()
    if not _ESSENCE.fullmatch(essence) or essence in UNKNOWN_TYPES:
        return NO_TYPE
    return MediaType(essence, _charset(value))


def _charset(value: str) -> str | None:
    """The first valid `charset` among the parameters of a media type."""
    for name, quote, in_quotes, plain in _PARAMETER.findall(value):
        if name.lower() != "charset":
            continue
        text = _ESCAPED.sub(r"\1", in_quotes) if quote else plain.rstrip(_WHITESPACE)
        # An empty value counts only between quotes.
        is_value = bool(quote or text)
        if is_value and _PARAMETER_TEXT.fullmatch(text):
            return text
    return None


def sniffs_as_html(body: bytes) -> bool:
    """Whether a body without a media type is HTML."""
    return _HTML_START.match(body, 0, SNIFFED_BYTES) is not None


def forbids_sniffing(headers: Headers) -> bool:
    """Whether the server forbids it by X-Content-Type-Options (Fetch, "determine nosniff")."""
    for name, value in headers:
        if name.lower() == "x-content-type-options":
            return value.partition(",")[0].strip(" \t").lower() == "nosniff"
    return False
