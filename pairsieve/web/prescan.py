"""Which encoding a page declares about itself, before it is decoded.

HTML standard, 13.2.3.2: "prescan a byte stream to determine its encoding", with "get an attribute"
and "get an XML encoding", step by step. Declarations in comments, in other elements and in the
text of a `<meta>` about something else are not obeyed.
"""

from __future__ import annotations

import re

import webencodings

SCANNED_BYTES = 1024
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
_META = re.compile(rb"<meta[%b/]" % _SPACE, re.IGNORECASE)
_TAG = re.compile(rb"</?[A-Za-z][^%b>]*+(?=[%b>])" % (_SPACE, _SPACE))
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


def declared_encoding(payload: bytes) -> webencodings.Encoding | None:
    """The encoding that the first bytes of a page declare; None if they declare none."""
    head = payload[:SCANNED_BYTES]
    if head.startswith(b"<\0?\0x\0"):
        return webencodings.lookup("utf-16le")
    if head.startswith(b"\0<\0?\0x"):
        return webencodings.lookup("utf-16be")
    if b"charset" not in head.lower() and not head.startswith(b"<?xml"):
        return None  # reading all tags of a head takes 0.1 ms
    at = head.find(b"<")
    while at >= 0:
        end, encoding = _read_markup(head, at)
        if encoding is not None:
            return encoding
        at = head.find(b"<", end)
    declaration = _XML_DECLARATION.match(head)
    return _readable(_first_group(declaration)) if declaration else None


def _read_markup(head: bytes, at: int) -> tuple[int, webencodings.Encoding | None]:
    """Where reading goes on behind the `<` at `at`, and the encoding that a `<meta>` declares."""
    if head.startswith(b"<!--", at):
        # The two hyphens of `<!-->` begin the comment and end it.
        return _behind(head, b"-->", at + 2), None
    meta = _META.match(head, at)
    tag = meta or _TAG.match(head, at)
    if tag:
        start = meta.end() - 1 if meta else tag.end()
        rest = _ATTRIBUTES.match(head, start)
        assert rest is not None  # it matches the empty string
        end = rest.end()
        if not _NO_ATTRIBUTE.match(head, end):  # the bytes ran out in the middle of the tag
            return len(head), None
        return end, _of_meta(_attributes(head, start)) if meta else None
    if head[at + 1 : at + 2] in (b"!", b"/", b"?"):
        return _behind(head, b">", at + 1), None
    return at + 1, None


def _behind(head: bytes, sign: bytes, start: int) -> int:
    at = head.find(sign, start)
    return len(head) if at < 0 else at + len(sign)


def _attributes(head: bytes, at: int) -> dict[bytes, bytes]:
    """Name in lower case -> value of the attributes of a tag whose name ends at `at`."""
    attributes = dict[bytes, bytes]()
    while found := _ATTRIBUTE.match(head, at):
        at = found.end()
        value = found[2] or found[3] or found[4] or b""
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
