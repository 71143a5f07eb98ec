"""How texts are written where words and terms are looked for: in lower case, without dashes."""

from __future__ import annotations

_DASHES = "-‐‑–—_/"
# What a text is read as. Beside quotes these are ã, õ and à in Windows-1252 that were read as
# Windows-1250 ("năo"); no shipped language has the letters that come of it.
_READ_AS = {"’": "'", "‘": "'", "`": "'", "ă": "ã", "ő": "õ", "ŕ": "à"}


def folded(text: str) -> str:
    """A text in lower case, with one blank for each run of dashes, slashes and white space."""
    return with_blanks(text.lower())


def with_blanks(text: str) -> str:
    """A text with one blank for each run of dashes, slashes and white space, and one apostrophe."""
    for letter, read in _READ_AS.items():
        text = text.replace(letter, read)
    return without_dashes(text)


def without_dashes(text: str) -> str:
    """A text with one blank for each run of dashes, slashes and white space."""
    # a call for each sign is several times quicker than a regular expression
    for dash in _DASHES:
        text = text.replace(dash, " ")
    return " ".join(text.split())


def folded_words(text: str) -> str:
    """A folded text whose words are written alike whatever stands beside them.

    Which form of sigma is the one in lower case depends on what stands behind it.
    """
    return folded(text).replace("ς", "σ")
