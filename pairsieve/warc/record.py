"""A record of an archive, the same for each library that reads it."""

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

    `offset` is where it starts in its file. `warc_type` is WARC-Type, `date` is ISO 8601 UTC.
    `http_status` is 200 for a resource record, which holds the thing itself, and 0 if it cannot be
    read. `payload` is as stored (with its codings), cut at the number of bytes that the reader
    keeps. `refers_to` is the URL whose payload a revisit record repeats.
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


def decoded(raw: bytes, headers: Headers, max_bytes: int) -> bytes:
    """Undo the transfer coding and the content coding of a payload. Returns at most `max_bytes`.

    Many crawlers store payloads decoded but keep the headers that announce a coding. A payload that
    is not coded is returned as it is.
    """
    is_chunked = header(headers, "transfer-encoding").lower() == "chunked"
    coding = header(headers, "content-encoding").lower()
    known_coding = coding if coding in CODINGS else None
    if not is_chunked and known_coding is None:
        return raw[:max_bytes]
    reader_class = ChunkedDataReader if is_chunked else BufferedReader
    stream = reader_class(BytesIO(raw), decomp_type=known_coding)
    return bytes(stream.read(max_bytes))


def digest_matches(raw: bytes, labelled: str) -> bool | None:
    """Whether a payload has a digest, given as `algorithm:value` in base32 or hex.

    None if the algorithm is not known.
    """
    algorithm, _, value = labelled.partition(":")
    algorithm = algorithm.lower()
    if algorithm not in DIGESTS:
        return None
    digest = hashlib.new(algorithm, raw, usedforsecurity=False).digest()
    return digest in _possible_digests(value)


def _possible_digests(value: str) -> list[bytes]:
    """A digest read as base32 and as hex, as far as it can be read as each."""
    digests = []
    for decode in (b32decode, b16decode):
        try:
            digests.append(decode(value.upper()))
        except NotBase32:
            continue
    return digests
