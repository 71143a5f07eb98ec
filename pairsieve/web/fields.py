"""Values of header fields, taken apart: lists, preferences and links. One tokeniser for all of
them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_FIELD_CHARS = 64 * 1024
# Quoted strings and <...> stand whole (RFC 9110, 5.6.4; RFC 8288, 3); the rest is cut at
# separators.
_PART = r'"(?:[^"\\]|\\.)*"?|<[^>]*>?|[^"<{separators}]+'
# begins where blanks begin: a run of them is looked at once
_EQUALS = re.compile(r"(?<!\s)\s*+=\s*+")


def list_items(value: str, separators: str = ",") -> list[str]:
    """The items of a list, without the blanks around them and without empty ones."""
    parts = re.compile(f"(?:{_PART.format(separators=re.escape(separators))})+")
    return [item for found in parts.finditer(value[:MAX_FIELD_CHARS]) if (item := found[0].strip())]


def preference_items(value: str) -> Iterator[tuple[str, str | None]]:
    """(label, answer) of each preference in lower case; the answer is None where there is no "=".

    Commas, semicolons and blanks separate: a preference behind a semicolon is a parameter of the
    one before it by RFC 9651, and yet what its author meant.
    """
    for item in list_items(_EQUALS.sub("=", value[:MAX_FIELD_CHARS].lower()), ",; \t\r\n"):
        label, equals, answer = item.partition("=")
        yield label, answer.strip('"') if equals else None


@dataclass(frozen=True, slots=True)
class HeaderLink:
    """One link of a Link header (RFC 8288): its target, its relations and its media type, both in
    lower case.
    """

    target: str
    relations: tuple[str, ...]
    media_type: str


def header_links(value: str) -> Iterator[HeaderLink]:
    """The links of a Link header."""
    for item in list_items(value):
        target, *parameters = list_items(item, ";")
        if target.startswith("<"):
            named = {
                name.strip().lower(): answer.strip().strip('"')
                for name, _, answer in (p.partition("=") for p in parameters)
            }
            relations = tuple(named.get("rel", "").lower().split())
            yield HeaderLink(
                target.strip("<>").strip(), relations, media_type(named.get("type", ""))
            )


def media_type(value: str) -> str:
    """The type of a Content-Type or type attribute, in lower case, without its parameters."""
    return value.partition(";")[0].strip().lower()
