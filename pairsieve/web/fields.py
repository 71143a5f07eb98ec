"""Splits the values of header fields into lists, preferences and links, with one tokeniser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pairsieve.web.media_type import media_type

MAX_FIELD_CHARS = 64 * 1024
# Quoted strings and <...> are one piece, even with separators in them (RFC 9110, 5.6.4; RFC 8288,
# 3). Either may lack its end. Everything else ends at a separator.
_PIECE = r'"(?:[^"\\]|\\.)*"?|<[^>]*>?|[^"<{separators}]+'
# Who copies a meta element from a text gets these.
TYPOGRAPHIC_QUOTES = tuple(
    "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u2032\u2033\u00ab\u00bb"
)
# Servers send straight ones, too, that a configuration has too many.
_QUOTES = re.compile(f"[\"'{''.join(TYPOGRAPHIC_QUOTES)}]")
# A match begins only where the blanks begin, so that a long run of them is looked at once.
_EQUALS = re.compile(r"(?<!\s)\s*+=\s*+")


def without_quotes(text: str) -> str:
    """Take all quotation marks out of a name or a value in which they mean nothing."""
    return _QUOTES.sub("", text).strip()


def list_items(value: str, separators: str = ",") -> list[str]:
    """Return the items of a list, stripped and without empty ones."""
    piece = _PIECE.format(separators=re.escape(separators))
    item = re.compile(f"(?:{piece})+")
    stripped = (match[0].strip() for match in item.finditer(value[:MAX_FIELD_CHARS]))
    return [text for text in stripped if text]


def preference_items(value: str) -> Iterator[tuple[str, str | None]]:
    """Yield (label, answer) of each preference in lower case; the answer is None without a "=".

    Commas, semicolons and blanks separate. By RFC 9651 what follows a semicolon is a parameter of
    the preference before it, but authors mean a preference of its own.
    """
    lowered = value[:MAX_FIELD_CHARS].lower()
    # Quotes around all preferences are no quotes around one answer.
    if _QUOTES.match(lowered.strip()):
        lowered = without_quotes(lowered)
    # Without blanks around "=", so that blanks can separate.
    joined = _EQUALS.sub("=", lowered)
    for item in list_items(joined, ",; \t\r\n"):
        label, equals, answer = item.partition("=")
        yield without_quotes(label), without_quotes(answer) if equals else None


@dataclass(frozen=True, slots=True)
class HeaderLink:
    """One link of a Link header (RFC 8288); relations and media type are in lower case."""

    target: str
    relations: tuple[str, ...]
    media_type: str


def header_links(value: str) -> Iterator[HeaderLink]:
    """Yield the links of a Link header."""
    for item in list_items(value):
        target, *parameters = list_items(item, ";")
        # Anything else is no link.
        if not target.startswith("<"):
            continue
        values: dict[str, str] = {}
        for parameter in parameters:
            name, _, parameter_value = parameter.partition("=")
            # Of equal ones the first counts (RFC 8288, 3.3 and 3.4.1).
            values.setdefault(name.strip().lower(), parameter_value)
        yield HeaderLink(
            target=target.strip("<>").strip(),
            # Single quotes are none by RFC 8288, but who writes them means some.
            relations=tuple(without_quotes(values.get("rel", "")).lower().split()),
            media_type=media_type(without_quotes(values.get("type", ""))).essence,
        )
