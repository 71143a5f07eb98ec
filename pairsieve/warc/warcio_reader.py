"""Records of files that must be read from the front, with warcio: plain WARC, one gzip stream,
ARC.
"""

from __future__ import annotations

from collections.abc import Iterator

from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed
from warcio.limitreader import LimitReader
from warcio.recordloader import ArcWarcRecord

from pairsieve.storage.files import Stream
from pairsieve.warc.gzip_members import BLOCK_BYTES, GZIP, INFLATE_ERRORS, inflater, size_of_stream
from pairsieve.warc.record import BadRecord, Record
from pairsieve.web.text import storable

TOLD = (
    "WARC-Target-URI",
    "WARC-Date",
    "WARC-Record-ID",
    "WARC-Payload-Digest",
    "WARC-Refers-To-Target-URI",
)
STREAM_ERRORS = (ArchiveLoadFailed, EOFError, ValueError, *INFLATE_ERRORS)


class _Records(ArchiveIterator):  # type: ignore[misc]
    """warcio's iterator without its habit of printing page content to stderr where a record's
    length is wrong.
    """

    INC_RECORD = ""


class Gunzipped:
    """The content of a file that is one gzip stream; offsets in it are those of the content.

    Whatever can be read of a stream that ends too early is read before EOFError is raised, or one
    of INFLATE_ERRORS for a damaged one.
    """

    def __init__(self, stream: Stream) -> None:
        stream.seek(0)
        self._stream, self._inflate = stream, inflater(GZIP)
        self._at, self._block = 0, b""

    def tell(self) -> int:
        return self._at

    def read(self, size: int = BLOCK_BYTES) -> bytes:
        content = b""
        while not content and (not self._inflate.eof or self._next_member()):
            self._block = self._block or self._stream.read(BLOCK_BYTES)
            if not self._block:
                raise EOFError("the gzip stream ends too early")
            content = self._inflate.decompress(self._block, size)
            self._block = self._inflate.unconsumed_tail
        self._at += len(content)
        return content

    @property
    def ended(self) -> bool:
        """Whether the last member was read to its end."""
        return self._inflate.eof

    def _next_member(self) -> bool:
        self._block = self._inflate.unused_data or self._stream.read(BLOCK_BYTES)
        if self._block:
            self._inflate = inflater(GZIP)
        return bool(self._block)


def read_records(stream: Stream | Gunzipped, keep_bytes: int) -> Iterator[Record | BadRecord]:
    """Every record, its payload cut at `keep_bytes`; a BadRecord for one whose length is wrong.

    Raises one of STREAM_ERRORS at the first place from which reading cannot go on.
    """
    records = _Records(stream, arc2warc=True)
    empty = True
    for record in records:
        empty, offset, mismatches = False, records.offset, records.err_count
        if not isinstance(record.raw_stream, LimitReader):
            raise ArchiveLoadFailed("a record without a length")
        payload = record.raw_stream.read(keep_bytes)
        records.read_to_end()
        if record.raw_stream.limit > 0:
            raise EOFError("the file ends inside a record")
        if records.err_count > mismatches:
            if not records.reader.decompressor:
                raise ArchiveLoadFailed(
                    "a record's Content-Length is wrong and nothing marks the next record"
                )
            yield BadRecord("length_mismatch", offset)
        else:
            yield record_of(record, offset, payload)
    if empty:
        raise EOFError("no record in the file")
    ended = (
        stream.ended if isinstance(stream, Gunzipped) else records.offset >= size_of_stream(stream)
    )
    if not ended:  # warcio takes an EOFError for the end
        raise EOFError("the file ends inside a record")


def read_record(stream: Stream, offset: int, keep_bytes: int) -> Record:
    """The record at an offset, its payload cut at `keep_bytes`.

    Raises one of STREAM_ERRORS where none can be read.
    """
    stream.seek(offset)
    record = next(iter(_Records(stream, arc2warc=True)), None)
    if record is None:
        raise EOFError("no record at this offset")
    payload = record.raw_stream.read(keep_bytes)
    if len(payload) < keep_bytes and getattr(record.raw_stream, "limit", 0) > 0:
        raise EOFError("the file ends inside a record")
    return record_of(record, offset, payload)


def record_of(record: ArcWarcRecord, offset: int, payload: bytes) -> Record:
    """warcio's record as ours."""
    headers, http = record.rec_headers, record.http_headers
    code = (http.get_statuscode() or "") if http else "200"
    told = {name: storable(headers.get_header(name) or "") for name in TOLD}
    return Record(
        offset=offset,
        kind=record.rec_type or "",
        url=told["WARC-Target-URI"],
        date=told["WARC-Date"],
        record_id=told["WARC-Record-ID"],
        payload_digest=told["WARC-Payload-Digest"],
        http_status=int(code) if code.isdecimal() and len(code) == 3 else 0,
        content_type=storable((http or headers).get_header("Content-Type") or ""),
        headers=tuple((storable(name), storable(value)) for name, value in http.headers)
        if http
        else (),
        payload=payload,
        refers_to=told["WARC-Refers-To-Target-URI"],
    )
