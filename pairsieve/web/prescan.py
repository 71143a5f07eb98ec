"""Which encoding a page declares about itself, before it is decoded.

HTML standard, 13.2.3.2: "prescan a byte stream to determine its encoding", with "get an attribute"
and "get an XML encoding", step by step. Declarations in comments, in other elements and in the
text of a `<meta>` about something else are not obeyed.

In two things browsers agree and the standard's steps differ (web-platform-tests,
html/syntax/charset): reading goes on behind the first bytes as long as the head of the page does,
and nothing is a tag in a script, a style or a title.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import webencodings

from pairsieve.web.entities import unescape

SCANNED_BYTES = 1024  # whatever stands there
MAX_HEAD_BYTES = 1 << 16
# Any other tag ends the head (Chromium, html_meta_charset_parser.cc).
_IN_HEAD = frozenset(
    {
        b"html", b"head", b"base", b"link", b"meta", b"noscript", b"object", b"script", b"style",
        b"title",
    }
)  # fmt: skip
_ENDS_OF_HEAD = (b"html", b"head")
# Elements in which nothing is a tag but their own end.
_TEXT_ONLY = frozenset(
    {
        b"script", b"style", b"title", b"textarea", b"noscript", b"iframe", b"xmp", b"noembed",
        b"noframes",
    }
)  # fmt: skip
_SPACE = rb"\t\n\f\r "
# An attribute as "get an attribute" reads it: blanks and slashes, a name, which may begin with `=`,
# and a value. It matches nothing where the bytes run out.
_ATTRIBUTE = re.compile(
    rb"""[%(s)b/]*+([^%(s)b/>][^%(s)b/>=]*+)"""
    rb"""(?:[%(s)b]*+=[%(s)b]*+(?:"([^"]*+)"|'([^']*+)'|(?=>)|([^%(s)b>"'][^%(s)b>]*+)(?=[%(s)b>]))"""
    rb"""|[%(s)b]*+(?=[^%(s)b=]))""" % {b"s": _SPACE}
)
# All attributes of a tag at once: of most tags only their end is asked for.
_ATTRIBUTES = re.compile(rb"(?:%b)*+" % _ATTRIBUTE.pattern)
_NO_ATTRIBUTE = re.compile(rb"[%b/]*+>" % _SPACE)
_TAG = re.compile(rb"<(/?)([A-Za-z][^%b/>]*+)(?=[%b/>])" % (_SPACE, _SPACE))
_TAG_START = re.compile(rb"</?[A-Za-z]")
# HTML standard, 2.5.3: "extracting a character encoding from a meta element"
_CONTENT_CHARSET = re.compile(
    rb"""charset[%(s)b]*+=[%(s)b]*+(?:"([^"]*+)"|'([^']*+)'|(?!["'])([^%(s)b;]*+))?"""
    % {b"s": _SPACE},
    re.IGNORECASE,
)
_XML_DECLARATION = re.compile(
    rb"""<\?xml(?=[^>]*+>)(?:(?!encoding)[^>])*+encoding[\x00- ]*+=[\x00- ]*+"""
    rb"""(?:"([^"\x00- ]*+)"|'([^'\x00- ]*+)')"""
)


class Markup(NamedTuple):
    """A comment, a tag or a mere `<`.

    - `end`: where reading goes on.
    - `encoding`: what it declares as a `<meta>`.
    - `ends_head`: whether what follows is not in the head of the page.
    """

    end: int
    encoding: webencodings.Encoding | None = None
    ends_head: bool = False


def declared_encoding(payload: bytes) -> webencodings.Encoding | None:
    """The encoding that the head of a page declares; None if it declares none."""
    head = payload[:MAX_HEAD_BYTES]
    if head.startswith(b"<\0?\0x\0"):
        return webencodings.lookup("utf-16le")
    if head.startswith(b"\0<\0?\0x"):
        return webencodings.lookup("utf-16be")
    if not (_names_charset(head) or head.startswith(b"<?xml")):
        return None  # reading all tags of a head takes 0.2 ms
    at, in_head = head.find(b"<"), True
    while at >= 0 and (in_head or at < SCANNED_BYTES):
        markup = _read_markup(head, at)
        if markup.encoding is not None:
            return markup.encoding
        in_head = in_head and not markup.ends_head
        at = head.find(b"<", markup.end)
    return encoding_of_xml(head)


def encoding_of_xml(payload: bytes) -> webencodings.Encoding | None:
    """The encoding that an XML declaration names; None if there is none."""
    declaration = _XML_DECLARATION.match(payload)
    return _readable(_first_group(declaration)) if declaration else None


def _names_charset(head: bytes) -> bool:
    """Whether a declaration may stand in a head; most pages have one at its start."""
    return b"charset" in head[:SCANNED_BYTES].lower() or b"charset" in head.lower()


def _read_markup(head: bytes, at: int) -> Markup:
    """What begins with the `<` at `at`."""
    if head.startswith(b"<!--", at):
        # The two hyphens of `<!-->` begin the comment and end it.
        return Markup(_behind(head, b"-->", at + 2))
    tag = _TAG.match(head, at)
    if tag:
        return _read_tag(head, tag)
    if _TAG_START.match(head, at):
        # Nothing ends the name of this tag, nor that of any tag behind it.
        return Markup(len(head))
    if head[at + 1 : at + 2] in (b"!", b"/", b"?"):
        return Markup(_behind(head, b">", at + 1))
    return Markup(at + 1)


def _read_tag(head: bytes, tag: re.Match[bytes]) -> Markup:
    """A tag, and the text of an element that holds only text."""
    name, start = tag[2].lower(), tag.end()
    rest = _ATTRIBUTES.match(head, start)
    assert rest is not None  # it matches the empty string
    end = rest.end()
    if not _NO_ATTRIBUTE.match(head, end):  # the bytes ran out in the middle of the tag
        return Markup(len(head))
    if tag[1]:
        return Markup(end, ends_head=name not in _IN_HEAD or name in _ENDS_OF_HEAD)
    if name in _TEXT_ONLY:
        end = _end_of_text(head, name, end)
    encoding = _of_meta(_attributes(head, start)) if name == b"meta" else None
    return Markup(end, encoding, ends_head=name not in _IN_HEAD)


def _end_of_text(head: bytes, name: bytes, start: int) -> int:
    """Where the end tag of an element begins; the end of the bytes if it has none."""
    end_tag = re.compile(rb"</%b[%b/>]" % (re.escape(name), _SPACE), re.IGNORECASE)
    found = end_tag.search(head, start)
    return found.start() if found else len(head)


def _behind(head: bytes, sign: bytes, start: int) -> int:
    at = head.find(sign, start)
    return len(head) if at < 0 else at + len(sign)


def _attributes(head: bytes, at: int) -> dict[bytes, bytes]:
    """Name in lower case -> value of the attributes of a tag whose name ends at `at`."""
    attributes = dict[bytes, bytes]()
    while found := _ATTRIBUTE.match(head, at):
        at = found.end()
        value = found[2] or found[3] or found[4] or b""
        if b"&" in value:
            value = unescape(value.decode("latin-1")).encode("latin-1", "replace")
        attributes.setdefault(found[1].lower(), value)  # of equal names the first counts
    return attributes


def _of_meta(attributes: dict[bytes, bytes]) -> webencodings.Encoding | None:
    """The encoding that the attributes of a `<meta>` declare."""
    if b"charset" in attributes:
        return _readable(attributes[b"charset"])
    is_pragma = attributes.get(b"http-equiv", b"").lower() == b"content-type"
    found = _CONTENT_CHARSET.search(attributes.get(b"content", b"")) if is_pragma else None
    return _readable(_first_group(found)) if found else None


def _first_group(found: re.Match[bytes]) -> bytes:
    return next((group for group in found.groups() if group is not None), b"")


def _readable(label: bytes) -> webencodings.Encoding | None:
    """The encoding of a label; for UTF-16, in which the label could not be read, UTF-8."""
    encoding = webencodings.lookup(label.decode("latin-1"))
    if encoding is None:
        return None
    instead = {"utf-16le": "utf-8", "utf-16be": "utf-8", "x-user-defined": "windows-1252"}
    return webencodings.lookup(instead.get(encoding.name, encoding.name))
