"""Records of files that are compressed record by record, read with FastWARC."""

from __future__ import annotations

from io import BytesIO

from fastwarc.warc import ArchiveIterator, WarcRecord

from pairsieve.records.page import header
from pairsieve.warc.gzip_members import Member
from pairsieve.warc.record import BadRecord, Record
from pairsieve.web.text import storable

HEADER_END = b"\r\n\r\n"
USUAL_HEADER_BYTES = 1 << 13


def record_of(member: Member) -> Record:
    """The one record of a member.

    Raises BadRecord where there is none, or where its length is not the member's.
    """
    try:
        record = next(ArchiveIterator(BytesIO(_headers_of(member.head)), stream_detect=False), None)
    except (OSError, ValueError):
        record = None
    if record is None:
        raise BadRecord("not_a_record", member.offset)
    headers = {name.lower(): storable(value) for name, value in record.headers.items()}
    if "warc-type" not in headers:
        raise BadRecord("not_a_record", member.offset)
    end = _end_of_block(member, headers.get("content-length", ""))
    # without the HTTP headers, where there are some
    payload = member.head[end - record.content_length : end]
    return _taken(record, headers, payload, member.offset)


def record_or_bad(member: Member) -> Record | BadRecord:
    """The record of a member, or why there is none."""
    try:
        return record_of(member)
    except BadRecord as bad:
        return bad


def _headers_of(head: bytes) -> bytes:
    """As much of a record as holds its headers and those of HTTP: what is handed on is copied, and
    pages are long.
    """
    ends = head.find(
        HEADER_END, head.find(HEADER_END, 0, USUAL_HEADER_BYTES) + 1, USUAL_HEADER_BYTES
    )
    return head[:USUAL_HEADER_BYTES] if ends > 0 else head


def _end_of_block(member: Member, content_length: str) -> int:
    """Where in the member the record's block ends; only line ends may follow it. Raises
    BadRecord.
    """
    start = member.head.find(HEADER_END) + len(HEADER_END)
    end = (
        start + int(content_length)
        if content_length.isdecimal() and start >= len(HEADER_END)
        else -1
    )
    behind = member.length - end
    if not 0 <= behind <= len(HEADER_END) or end < 0 or member.head[end:].strip(b"\r\n"):
        raise BadRecord("length_mismatch", member.offset)
    return end


def _taken(record: WarcRecord, headers: dict[str, str], payload: bytes, offset: int) -> Record:
    http = record.http_headers
    sent = (
        tuple((storable(name), storable(value)) for name, value in http.items())
        if http is not None
        else ()
    )
    return Record(
        offset=offset,
        kind=headers["warc-type"],
        url=headers.get("warc-target-uri", "").strip("<>"),
        date=headers.get("warc-date", ""),
        record_id=headers.get("warc-record-id", ""),
        payload_digest=headers.get("warc-payload-digest", ""),
        http_status=200 if http is None else (http.status_code or 0),
        content_type=headers.get("content-type", "")
        if http is None
        else header(sent, "content-type"),
        headers=sent,
        payload=payload,
        refers_to=headers.get("warc-refers-to-target-uri", "").strip("<>"),
    )
