"""What others wrote, made fit to be shown: on a page, in a list, on a terminal."""

from __future__ import annotations

import unicodedata

from pairsieve.web.urls import parts_of

SHOWN_LETTERS = 600
JOINERS = "\u200c\u200d"  # letters of Persian and emoji need them
# Unicode's categories of what is no letter, mark, digit, sign or blank in a line
UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def safe_link(url: str) -> str:
    """The URL where it is one of the web's, else nothing."""
    parts = parts_of(url)
    return url if parts.scheme in ("http", "https") and parts.host else ""


def plain(text: str, most: int = SHOWN_LETTERS) -> str:
    """Without letters that are not seen and change how others are seen: controls, and marks that
    turn text around.
    """
    if text.isprintable():  # as nearly everything; of the categories below no letter is printable
        return text if len(text) <= most else text[:most] + "…"
    kept = "".join(
        c if unicodedata.category(c) not in UNSEEN or c in JOINERS else "\ufffd" for c in text
    )
    return kept if len(kept) <= most else kept[:most] + "…"
