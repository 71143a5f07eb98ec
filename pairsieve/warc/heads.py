"""Heads: the lines of `name: value` before a blank line, of WARC records and HTTP messages alike.

Both are read as leniently as browsers read HTTP. The rules are those of Chromium
(net/http/http_util.cc, `AssembleRawHeaders` and `HeadersIterator`): a line ends with LF, whatever
CRs stand before it; a line that begins with a blank goes on with the one before (RFC 9112, 5.2); a
line whose name is no token (RFC 9110, 5.6.2) is left out. CR alone may be the line end, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pairsieve.records.page import Headers

# Chromium refuses HTTP heads that are longer (net/http/http_stream_parser.h, kMaxHeaderBufSize).
MAX_HEAD_BYTES = 1 << 18

BLANK_LINE = re.compile(rb"\n\r*\n")
_LINE_END = re.compile(rb"\r*\n|\r")
_FOLD = re.compile(r"\n[ \t]+")
_FIELD = re.compile(r"^([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:([^\n]*)", re.MULTILINE)
_BLANKS = " \t"


@dataclass(frozen=True, slots=True)
class Head:
    """The head at the start of some bytes. `end` is where it ends, behind its blank line.

    `lines` are all its lines, the first one too, with LF as line end and nothing folded.
    """

    lines: str
    end: int

    @property
    def first_line(self) -> str:
        return self.lines.partition("\n")[0].rstrip(_BLANKS)

    def fields(self) -> Headers:
        """Name and value of each field, in their order."""
        pairs = _FIELD.findall(self.lines, self._second_line())
        return tuple([(name, value.strip(_BLANKS)) for name, value in pairs])

    def first_values(self) -> dict[str, str]:
        """Name in lower case -> the first value of each field."""
        pairs = _FIELD.findall(self.lines, self._second_line())
        # Of two fields with the same name the first one is kept, so it comes last here.
        return {name.lower(): value.strip(_BLANKS) for name, value in reversed(pairs)}

    def _second_line(self) -> int:
        # find() gives -1 for a head of one line, which then has no field.
        return self.lines.find("\n") + 1 or len(self.lines)


def read_head(content: bytes, start: int = 0, end: int | None = None) -> Head | None:
    """The head that begins at `start`.

    None if it does not end before `end`, or within MAX_HEAD_BYTES.
    """
    limit = start + MAX_HEAD_BYTES if end is None else min(end, start + MAX_HEAD_BYTES)
    first_end = _LINE_END.search(content, start, limit)
    if first_end is None:
        return None
    blank = BLANK_LINE.search(content, start, limit)
    if first_end[0] == b"\r":
        # Only where the first line ends with CR alone can two of them be a blank line: some servers
        # write CR CR LF behind every line.
        cr_end = content.find(b"\r\r", start, limit)
        if cr_end >= 0 and (blank is None or cr_end < blank.start()):
            return Head(_lines_of(content[start:cr_end]), cr_end + 2)
    if blank is None:
        return None
    return Head(_lines_of(content[start : blank.start()]), blank.end())


def _lines_of(raw: bytes) -> str:
    """The lines of a head, with LF as line end. Lines that were folded are one line again."""
    lines = decoded_text(raw).replace("\r\n", "\n")
    if "\r" in lines:
        # Chromium takes a CR in the middle for a line end: no field can hide in another's value.
        lines = lines.replace("\r", "\n")
    if "\n " in lines or "\n\t" in lines:
        lines = _FOLD.sub(" ", lines)
    return lines


def decoded_text(raw: bytes) -> str:
    """Bytes of a head as text: UTF-8, and line by line ISO 8859-1 where it is not UTF-8.

    HTTP says ISO 8859-1 (RFC 9110, 5.5) and WARC says UTF-8 (ISO 28500, 4). Servers send both.
    """
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return "\n".join(map(_decoded_line, raw.split(b"\n")))


def _decoded_line(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")
