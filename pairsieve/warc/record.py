"""One record of an archive, whichever library read it."""

from __future__ import annotations

import hashlib
from base64 import b16decode, b32decode
from binascii import Error as NotBase32
from dataclasses import dataclass
from io import BytesIO

from warcio.bufferedreaders import BufferedReader, ChunkedDataReader

from pairsieve.records.page import Headers, header

DIGESTS = ("sha1", "sha256", "md5")
CODINGS = ("gzip", "deflate", "br")


class BadRecord(ValueError):
    """A record that cannot be taken; `reason` is snake_case and stable, `offset` where it
    starts.
    """

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(f"{reason} at {offset}")
        self.reason, self.offset = reason, offset


@dataclass(frozen=True, slots=True)
class Record:
    """`kind` is WARC-Type, `offset` where the record starts in its file, `date` is ISO 8601 UTC.

    `http_status` is 200 for a resource record, which holds the thing itself, and 0 where the status
    cannot be read. `refers_to` is the URL whose payload a revisit record repeats. `payload` is as
    stored, cut at what its reader keeps.
    """

    offset: int
    kind: str
    url: str
    date: str
    record_id: str
    payload_digest: str
    http_status: int
    content_type: str
    headers: Headers
    payload: bytes
    refers_to: str = ""


def decoded(raw: bytes, headers: Headers, max_bytes: int) -> bytes:
    """A payload with transfer and content codings undone, cut at `max_bytes`.

    What says to be coded and is not is given as it is, as crawlers often store it.
    """
    chunked = header(headers, "transfer-encoding").lower() == "chunked"
    coding = header(headers, "content-encoding").lower()
    if not chunked and coding not in CODINGS:
        return raw[:max_bytes]
    reader = ChunkedDataReader if chunked else BufferedReader
    stream = reader(BytesIO(raw), decomp_type=coding if coding in CODINGS else None)
    return bytes(stream.read(max_bytes))


def digest_matches(raw: bytes, labelled: str) -> bool | None:
    """Whether a payload is what its `algorithm:value` digest says (base32 or hex); None where no
    digest can be read.
    """
    algorithm, _, value = labelled.partition(":")
    if algorithm.lower() not in DIGESTS:
        return None
    found = hashlib.new(algorithm.lower(), raw, usedforsecurity=False).digest()
    return any(found == known for known in _readings(value))


def _readings(value: str) -> list[bytes]:
    readings = []
    for decode in (b32decode, b16decode):
        try:
            readings.append(decode(value.upper()))
        except NotBase32:
            continue
    return readings
