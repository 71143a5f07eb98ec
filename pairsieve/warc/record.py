"""A record of an archive: made from its head and its block, the same for every form of archive."""

from __future__ import annotations

import hashlib
import re
from base64 import b16decode, b32decode, b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pairsieve.records.page import Headers, combined
from pairsieve.warc.heads import decoded_text, read_head
from pairsieve.warc.http_message import Message, read_message
from pairsieve.web.media_type import media_type

# The largest number in a column of 64-bit integers.
MAX_OFFSET = 2**63 - 1
DIGESTS = ("sha1", "sha256", "md5")
WARC_SIGN = b"WARC/"
WEB_SCHEMES = ("http:", "https:")
# Types whose blocks may be HTTP responses.
MESSAGE_TYPES = ("response", "revisit")

# A line of an ARC file: URL, address, date, type, (in version 2: five more,) length.
# The type may be empty.
ARC_LINE = re.compile(
    rb"[a-z][a-z0-9+.-]{0,30}:[^\r\n]{0,8000} [^ \r\n]+ [^ \r\n]+ [^ \r\n]* [^ \r\n]+[ \t]*\r*\n",
    re.IGNORECASE,
)
_ARC_DATE = re.compile(r"\d{8,20}")
# Digits of year, month, day, hour, minute and second, for those that a date lacks.
_FIRST_MOMENT = "00000101000000"
_ARC_FILE = "filedesc:"
_ARC_WORDS = 5


class BadRecord(ValueError):
    """A record that cannot be used.

    `reason` is snake_case and stays the same from version to version. `offset` is where the record
    starts.
    """

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(f"{reason} at {offset}")
        self.reason = reason
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Record:
    """A record of an archive.

    `offset` is where it starts in its file. `warc_type` is WARC-Type in lower case, `date` is ISO
    8601 UTC. `http_status` is 200 for a record that holds the file itself, and 0 if it cannot be
    read. `payload` is as stored (with its codings), cut at the number of bytes that the reader
    keeps. `content_type` is the header as it stands, `media_type` what it says, or what the crawler
    has identified where it says nothing; empty if neither does. `refers_to` is the URL whose
    payload a revisit record repeats. `is_first` is False for a record that shares a member with the
    one before it, so that it cannot be read by its offset.
    """

    offset: int
    warc_type: str
    url: str
    date: str
    record_id: str
    payload_digest: str
    http_status: int
    content_type: str
    headers: Headers
    payload: bytes
    refers_to: str = ""
    media_type: str = ""
    is_first: bool = True


class RecordHead(NamedTuple):
    """The head of a record: its fields, by names in lower case, and where its block begins.

    `length` is that of the block; None if the head does not say it.
    """

    fields: Mapping[str, str]
    block_start: int
    length: int | None


def starts_as_warc(content: bytes, start: int = 0) -> bool:
    """Whether a WARC record begins at `start`.

    ISO 28500, 4, uses the grammar of RFC 2616, in which letters of either case are the same.
    """
    return content[start : start + len(WARC_SIGN)].upper() == WARC_SIGN


def read_record_head(content: bytes, start: int = 0) -> RecordHead | None:
    """The head of the WARC or ARC record that begins at `start`; None if none does."""
    if not starts_as_warc(content, start):
        return _arc_head(content, start)
    head = read_head(content, start)
    if head is None:
        return None
    fields = head.first_values()
    return RecordHead(fields, head.end, _length_of(fields.get("content-length", "")))


def _arc_head(content: bytes, start: int) -> RecordHead | None:
    """The head of an ARC record, with the names that WARC has for its fields.

    Format: https://archive.org/web/researcher/ArcFileFormat.php, versions 1 and 2.
    """
    line = ARC_LINE.match(content, start)
    if line is None:
        return None
    words = decoded_text(line[0]).strip().split(" ")
    is_about_file = words[0].lower().startswith(_ARC_FILE)
    # A URL may have blanks in it, and each version has other fields behind the date.
    places = [place for place, word in enumerate(words) if _ARC_DATE.fullmatch(word)]
    date_at = next((place for place in places if place > 1), 0)
    if not is_about_file and not 0 < date_at < len(words) - 2:
        return None
    fields = {
        "warc-type": "warcinfo" if is_about_file else "response",
        "warc-target-uri": "" if is_about_file else " ".join(words[: date_at - 1]),
        "warc-date": _iso_date(words[date_at]) if date_at else "",
        "content-type": words[date_at + 1] if date_at else "",
    }
    return RecordHead(fields, line.end(), _length_of(words[-1]))


def _iso_date(digits: str) -> str:
    """20260102030405 as 2026-01-02T03:04:05Z; a shorter one is the first moment that it means."""
    given = digits[: len(_FIRST_MOMENT)]
    full = given + _FIRST_MOMENT[len(given) :]
    year, month, day = full[:4], full[4:6], full[6:8]
    hour, minute, second = full[8:10], full[10:12], full[12:]
    return f"{year}-{month}-{day}T{hour}:{minute}:{second}Z"


def _length_of(digits: str) -> int | None:
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= 15
    return int(digits) if is_number else None


def record_of(head: RecordHead, content: bytes, block_end: int, offset: int) -> Record:
    """The record with a head, whose block ends at `block_end` of `content`."""
    fields = head.fields
    warc_type = fields.get("warc-type", "").lower()
    url = fields.get("warc-target-uri", "").strip("<> ")
    warc_content_type = fields.get("content-type", "")
    message = None
    if warc_type in MESSAGE_TYPES and is_web(url):
        message = read_message(content, head.block_start, block_end)
    if message is None:
        # The record holds a file itself, or a response that cannot be read.
        holds_file = not _is_broken_message(warc_type, url, warc_content_type)
        block = content[head.block_start : block_end]
        message = Message(200 if holds_file else 0, (), block)
        content_type = warc_content_type if holds_file else ""
    else:
        content_type = combined(message.headers, "content-type")
    return Record(
        offset=offset,
        warc_type=warc_type,
        url=url,
        date=fields.get("warc-date", ""),
        record_id=fields.get("warc-record-id", ""),
        payload_digest=fields.get("warc-payload-digest", ""),
        http_status=message.status,
        content_type=content_type,
        media_type=media_type(content_type).essence
        or media_type(fields.get("warc-identified-payload-type", "")).essence,
        headers=message.headers,
        payload=message.body,
        refers_to=fields.get("warc-refers-to-target-uri", "").strip("<> "),
    )


def is_web(url: str) -> bool:
    """Whether a URL is one of HTTP."""
    return url[:6].lower().startswith(WEB_SCHEMES)


def _is_broken_message(warc_type: str, url: str, content_type: str) -> bool:
    """Whether a block that is no HTTP response should be one, by what its record says."""
    if warc_type != "response" or not is_web(url):
        return False
    return media_type(content_type).essence in ("application/http", "")


def digest_matches(raw: bytes, labelled: str) -> bool | None:
    """Whether a payload has a digest, given as `algorithm:value` in base32, base64 or hex.

    None if the algorithm is not known.
    """
    algorithm, _, value = labelled.partition(":")
    algorithm = algorithm.lower()
    if algorithm not in DIGESTS:
        return None
    digest = hashlib.new(algorithm, raw, usedforsecurity=False).digest()
    return digest in _possible_digests(value)


def _possible_digests(value: str) -> list[bytes]:
    """A digest read as base32, as base64 and as hex, as far as it can be read as each.

    Some crawlers leave out the signs that fill base32 and base64 up.
    """
    digits = value.rstrip("=")
    base32 = digits.upper() + "=" * (-len(digits) % 8)
    base64 = digits + "=" * (-len(digits) % 4)
    digests = []
    for decode, text in ((b32decode, base32), (b64decode, base64), (b16decode, digits.upper())):
        try:
            digests.append(decode(text))
        except ValueError:
            continue
    return digests
