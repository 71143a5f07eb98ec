"""Character references of HTML in text that no parser has read."""

from __future__ import annotations

import html


def unescape(text: str) -> str:
    """Text with its character references replaced; the text as it is where Python cannot.

    `html.unescape` raises ValueError for a number of more digits than Python reads.
    """
    try:
        return html.unescape(text)
    except ValueError:
        return text
