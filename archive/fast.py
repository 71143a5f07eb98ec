"""Records of files that are compressed record by record, read with FastWARC."""

from __future__ import annotations

from io import BytesIO

from fastwarc.warc import ArchiveIterator, WarcRecord

from archive.members import Member
from archive.record import BadRecord, Record

HEADER_END = b"\r\n\r\n"


def record_of(member: Member) -> Record:
    """The one record of a member. Raises BadRecord where there is none, or where its length is not the member's."""
    try:
        record = next(ArchiveIterator(BytesIO(member.head), stream_detect=False), None)
    except (OSError, ValueError):
        record = None
    if record is None or "WARC-Type" not in record.headers:
        raise BadRecord("not_a_record", member.offset)
    _check_length(member)
    return _taken(record, member.offset)


def _check_length(member: Member) -> None:
    """Only line ends may follow the block that the record's Content-Length announces."""
    block = member.head.find(HEADER_END) + len(HEADER_END)
    end = block + _content_length(member.head[:block])
    if end < block or end > member.length or member.head[end:].strip(b"\r\n") or member.length - end > len(HEADER_END):
        raise BadRecord("length_mismatch", member.offset)


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            return int(value)
    return -1


def _taken(record: WarcRecord, offset: int) -> Record:
    headers, http = record.headers, record.http_headers
    kind = headers.get("WARC-Type") or ""
    return Record(
        offset=offset,
        kind=kind,
        url=(headers.get("WARC-Target-URI") or "").strip("<>"),
        date=headers.get("WARC-Date") or "",
        record_id=headers.get("WARC-Record-ID") or "",
        payload_digest=headers.get("WARC-Payload-Digest") or "",
        http_status=200 if http is None else (http.status_code or 0),
        content_type=(headers if http is None else http).get("Content-Type") or "",
        headers=tuple(http.astuples()) if http is not None else (),
        payload=bytes(record.reader.read()),
    )
