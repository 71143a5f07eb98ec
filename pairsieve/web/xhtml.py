"""XHTML made readable by an HTML parser.

A browser that is served `application/xhtml+xml` reads XML: `<script src="x.js"/>` is a whole
element, and what stands in a CDATA section is text. An HTML parser takes the first for a start tag
and the rest of the page for the script, and it finds elements in the second.
"""

from __future__ import annotations

import re

from pairsieve.web.media_type import media_type

_TYPES = ("application/xhtml+xml", "application/xml", "text/xml")
# HTML standard, 13.1.2: elements that have no end tag
_VOID = frozenset(
    {
        b"area", b"base", b"br", b"col", b"embed", b"hr", b"img", b"input", b"link", b"meta",
        b"param", b"source", b"track", b"wbr", b"frame", b"keygen", b"basefont",
    }
)  # fmt: skip
# Comments, CDATA sections, scripts and styles, in which nothing is a tag, and start tags. What is
# not closed goes to the end of the page, so that nothing is read twice.
_MARKUP = re.compile(
    rb"""<!--(?:(?!-->)[\s\S])*+|<!\[CDATA\[((?:(?!\]\]>)[\s\S])*+)(?:\]\]>)?"""
    rb"""|<(?:script|style)(?=[\s>])(?:"[^"]*+"|'[^']*+'|[^>"'/]|/(?!>))*+>"""
    rb"""(?:(?!</(?:script|style))[\s\S])*+"""
    rb"""|<([A-Za-z][^\s/>]*+)((?:"[^"]*+"?|'[^']*+'?|[^>"'/]|/(?!>))*+)(/?)>?"""
)


def is_xhtml(content_type: str) -> bool:
    """Whether a page was served as XML."""
    return media_type(content_type).essence in _TYPES


def as_html(content: bytes) -> bytes:
    """XHTML in which elements that close themselves have an end tag, and the text of CDATA sections
    is escaped, as HTML wants it.
    """
    return _MARKUP.sub(_as_html, content) if b"/>" in content or b"<![" in content else content


def _as_html(found: re.Match[bytes]) -> bytes:
    text, name, attributes, slash = found.groups()
    if text is not None:
        return bytes(text.replace(b"&", b"&amp;").replace(b"<", b"&lt;"))
    if not slash or name.lower() in _VOID:
        return found[0]
    return b"<%b%b></%b>" % (name, attributes, name)
