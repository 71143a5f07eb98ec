"""HTTP messages in records: status, headers and body, read as leniently as browsers do.

Both kinds of archives, those read member by member and those read from the front, use this parser.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pairsieve.records.page import Headers
from pairsieve.warc.heads import MAX_HEAD_BYTES, Head, read_head

# Up to four bytes before the status line are passed over, as Chromium does
# (net/http/http_util.cc, LocateStartOfStatusLine), and any empty lines (RFC 9112, 2.2).
# SHOUTcast servers answer with ICY instead of HTTP.
_START = re.compile(rb"[\r\n]*[^\r\n]{0,4}?(?=HTTP(?:/\d|[ \t])|ICY[ \t])", re.IGNORECASE)
_STATUS = re.compile(r"(?:HTTP|ICY)\S*[ \t]+(\d+)", re.IGNORECASE)
# Interim answers (RFC 9110, 15.2) that a crawler stored before the final one.
MAX_INTERIM = 8
SWITCHING_PROTOCOLS = 101


class Message(NamedTuple):
    """An HTTP response. `status` is 0 if its first line names none.

    `body` still has its codings.
    """

    status: int
    headers: Headers
    body: bytes


def starts_as_http(content: bytes, start: int, end: int) -> bool:
    """Whether the bytes from `start` to `end` begin with the status line of an HTTP response."""
    return _START.match(content, start, end) is not None


def read_message(content: bytes, start: int, end: int) -> Message | None:
    """The HTTP response from `start` to `end`; None if it has no head that can be read.

    A message that ends inside its head has no body, as in Chromium.
    """
    message_start = start
    for _ in range(MAX_INTERIM):
        match = _START.match(content, message_start, end)
        if match is None:
            return None
        head = read_head(content, match.end(), end) or _cut_head(content, match.end(), end)
        if head is None:
            return None
        status = _status_of(head.first_line)
        if not (_is_interim(status) and starts_as_http(content, head.end, end)):
            return Message(status, head.fields(), content[head.end : end])
        message_start = head.end
    return None


def _is_interim(status: int) -> bool:
    """Whether another response follows this one in the same message."""
    return 100 <= status < 200 and status != SWITCHING_PROTOCOLS


def _cut_head(content: bytes, start: int, end: int) -> Head | None:
    """The head of a message that ends before its blank line does."""
    if end - start >= MAX_HEAD_BYTES:
        return None
    head = read_head(content[start:end] + b"\n\n")
    return None if head is None else Head(head.lines, end)


def _status_of(line: str) -> int:
    match = _STATUS.match(line)
    # RFC 9112, 4: three digits.
    return int(match[1]) if match and len(match[1]) == 3 else 0
