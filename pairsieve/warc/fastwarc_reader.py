"""Parses records of files that are compressed record by record, with FastWARC."""

from __future__ import annotations

from io import BytesIO

from fastwarc.warc import ArchiveIterator, WarcRecord

from pairsieve.records.page import Headers, header
from pairsieve.warc.gzip_members import Member
from pairsieve.warc.record import BadRecord, Record
from pairsieve.web.text import storable

HEADER_END = b"\r\n\r\n"

# The headers of most records, WARC's and HTTP's together, are shorter.
USUAL_HEADER_BYTES = 1 << 13


def record_of(member: Member) -> Record:
    """Parse the one record of a member.

    Raises BadRecord if there is none, or if its length is not that of the member.
    """
    try:
        records = ArchiveIterator(BytesIO(_headers_of(member.head)), stream_detect=False)
        record = next(records, None)
    except (OSError, ValueError):
        record = None
    if record is None:
        raise BadRecord("not_a_record", member.offset)
    headers = {name.lower(): storable(value) for name, value in record.headers.items()}
    if "warc-type" not in headers:
        raise BadRecord("not_a_record", member.offset)
    block_end = _end_of_block(member, headers.get("content-length", ""))
    # FastWARC's content length is that without HTTP headers, which are the start of the block.
    payload = member.head[block_end - record.content_length : block_end]
    return _as_record(record, headers, payload, member.offset)


def record_or_bad(member: Member) -> Record | BadRecord:
    """Parse the record of a member, or return the BadRecord that says why there is none."""
    try:
        return record_of(member)
    except BadRecord as bad:
        return bad


def _headers_of(head: bytes) -> bytes:
    """The start of a record, with its WARC and HTTP headers.

    FastWARC copies what it is given, and pages are long. So it gets no more than it needs.
    """
    warc_end = head.find(HEADER_END, 0, USUAL_HEADER_BYTES)
    http_end = head.find(HEADER_END, warc_end + 1, USUAL_HEADER_BYTES)
    return head[:USUAL_HEADER_BYTES] if http_end > 0 else head


def _end_of_block(member: Member, content_length: str) -> int:
    """The end of the record's block in the member. Raises BadRecord("length_mismatch").

    Only line ends may follow the block.
    """
    headers_end = member.head.find(HEADER_END)
    if headers_end < 0 or not content_length.isdecimal():
        raise BadRecord("length_mismatch", member.offset)
    end = headers_end + len(HEADER_END) + int(content_length)
    trailing_bytes = member.length - end
    if not 0 <= trailing_bytes <= len(HEADER_END):
        raise BadRecord("length_mismatch", member.offset)
    # The bytes after the block may not have been kept. Those that were must be line ends.
    if member.head[end:].strip(b"\r\n"):
        raise BadRecord("length_mismatch", member.offset)
    return end


def _as_record(record: WarcRecord, headers: dict[str, str], payload: bytes, offset: int) -> Record:
    """Convert a record of FastWARC. `headers` are its WARC headers, by names in lower case."""
    http = record.http_headers
    if http is None:
        # A record without HTTP headers holds the thing itself.
        http_headers: Headers = ()
        http_status = 200
        content_type = headers.get("content-type", "")
    else:
        http_headers = tuple((storable(name), storable(value)) for name, value in http.items())
        http_status = http.status_code or 0
        content_type = header(http_headers, "content-type")
    return Record(
        offset=offset,
        warc_type=headers["warc-type"],
        url=headers.get("warc-target-uri", "").strip("<>"),
        date=headers.get("warc-date", ""),
        record_id=headers.get("warc-record-id", ""),
        payload_digest=headers.get("warc-payload-digest", ""),
        http_status=http_status,
        content_type=content_type,
        headers=http_headers,
        payload=payload,
        refers_to=headers.get("warc-refers-to-target-uri", "").strip("<>"),
    )
