"""Makes untrusted text safe to show: on a page, in a list, on a terminal."""

from __future__ import annotations

import unicodedata

from pairsieve.web.urls import parts_of

SHOWN_CHARS = 600
JOINERS = "\u200c\u200d"  # Persian and emoji need them
# Unicode's categories of invisible characters: controls, formats (some turn the direction of text),
# surrogates, private use, unassigned, and separators of lines and paragraphs.
INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
REPLACEMENT = "\ufffd"


def safe_link(url: str) -> str:
    """Return a URL of the web unchanged, and an empty string for anything else."""
    parts = parts_of(url)
    if parts.scheme in ("http", "https") and parts.host:
        return url
    return ""


def plain(text: str, max_chars: int = SHOWN_CHARS) -> str:
    """Replace invisible characters, which could change how other characters are shown.

    Text beyond `max_chars` characters is cut off.
    """
    # Nearly all text is printable, and printable characters are in none of the categories.
    if not text.isprintable():
        text = "".join(_visible(character) for character in text)
    if len(text) <= max_chars:
        return text
    return text[:max_chars] + "…"


def _visible(character: str) -> str:
    if character in JOINERS:
        return character
    if unicodedata.category(character) in INVISIBLE:
        return REPLACEMENT
    return character
