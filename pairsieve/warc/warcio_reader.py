"""Reads files that must be read from the front, with warcio: plain WARC, one gzip stream, ARC."""

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

# The WARC headers that a Record holds.
WARC_HEADERS = (
    "WARC-Target-URI",
    "WARC-Date",
    "WARC-Record-ID",
    "WARC-Payload-Digest",
    "WARC-Refers-To-Target-URI",
)
STREAM_ERRORS = (ArchiveLoadFailed, EOFError, ValueError, *INFLATE_ERRORS)


class _Records(ArchiveIterator):  # type: ignore[misc]
    """warcio's iterator, made quiet.

    warcio prints INC_RECORD, filled in with content of the page, to stderr if the length of a
    record is wrong. Content of pages must not be printed.
    """

    INC_RECORD = ""


class Gunzipped:
    """The content of a file that is one gzip stream. Offsets are those of the content.

    A damaged stream is read as far as possible. Then EOFError is raised if it ends too early, or
    one of INFLATE_ERRORS.
    """

    def __init__(self, stream: Stream) -> None:
        stream.seek(0)
        self._stream = stream
        self._inflate = inflater(GZIP)
        self._offset = 0
        # Compressed bytes that were read, and are not inflated yet.
        self._block = b""

    def tell(self) -> int:
        """The offset of the next byte of the content."""
        return self._offset

    def read(self, size: int = BLOCK_BYTES) -> bytes:
        """Read up to `size` bytes of the content; none at its end."""
        content = b""
        while not content and (not self._inflate.eof or self._start_next_member()):
            if not self._block:
                self._block = self._stream.read(BLOCK_BYTES)
            if not self._block:
                raise EOFError("the gzip stream ends too early")
            content = self._inflate.decompress(self._block, size)
            self._block = self._inflate.unconsumed_tail
        self._offset += len(content)
        return content

    @property
    def ended(self) -> bool:
        """Whether the last member was read to its end."""
        return self._inflate.eof

    def _start_next_member(self) -> bool:
        """Go on with the next member. Returns False at the end of the file."""
        self._block = self._inflate.unused_data or self._stream.read(BLOCK_BYTES)
        if not self._block:
            return False
        self._inflate = inflater(GZIP)
        return True


def read_records(stream: Stream | Gunzipped, keep_bytes: int) -> Iterator[Record | BadRecord]:
    """Yield every record, its payload cut at `keep_bytes`; a BadRecord if its length is wrong.

    Raises one of STREAM_ERRORS at the first place from which reading cannot go on.
    """
    records = _Records(stream, arc2warc=True)
    is_empty = True
    for record in records:
        is_empty = False
        # Reading on changes both.
        offset = records.offset
        mismatches = records.err_count
        if not isinstance(record.raw_stream, LimitReader):
            raise ArchiveLoadFailed("a record without a length")
        payload = record.raw_stream.read(keep_bytes)
        records.read_to_end()
        if record.raw_stream.limit > 0:
            raise EOFError("the file ends inside a record")
        if records.err_count == mismatches:
            yield record_of(record, offset, payload)
            continue
        if not records.reader.decompressor:
            raise ArchiveLoadFailed(
                "a record's Content-Length is wrong and nothing marks the next record"
            )
        yield BadRecord("length_mismatch", offset)
    if is_empty:
        raise EOFError("no record in the file")
    # warcio takes an EOFError for the end of the file, so the end must be checked.
    if isinstance(stream, Gunzipped):
        has_ended = stream.ended
    else:
        has_ended = records.offset >= size_of_stream(stream)
    if not has_ended:
        raise EOFError("the file ends inside a record")


def read_record(stream: Stream, offset: int, keep_bytes: int) -> Record:
    """Read the record at an offset, its payload cut at `keep_bytes`. Raises STREAM_ERRORS."""
    stream.seek(offset)
    record = next(iter(_Records(stream, arc2warc=True)), None)
    if record is None:
        raise EOFError("no record at this offset")
    payload = record.raw_stream.read(keep_bytes)
    missing_bytes = getattr(record.raw_stream, "limit", 0)
    if len(payload) < keep_bytes and missing_bytes > 0:
        raise EOFError("the file ends inside a record")
    return record_of(record, offset, payload)


def record_of(record: ArcWarcRecord, offset: int, payload: bytes) -> Record:
    """Convert a record of warcio."""
    headers = record.rec_headers
    warc = {name: storable(headers.get_header(name) or "") for name in WARC_HEADERS}
    http = record.http_headers
    if http:
        status = http.get_statuscode() or ""
        http_headers = tuple((storable(name), storable(value)) for name, value in http.headers)
        content_type = http.get_header("Content-Type") or ""
    else:
        # A record without HTTP headers holds the thing itself.
        status = "200"
        http_headers = ()
        content_type = headers.get_header("Content-Type") or ""
    is_status = status.isdecimal() and len(status) == 3
    return Record(
        offset=offset,
        warc_type=record.rec_type or "",
        url=warc["WARC-Target-URI"],
        date=warc["WARC-Date"],
        record_id=warc["WARC-Record-ID"],
        payload_digest=warc["WARC-Payload-Digest"],
        http_status=int(status) if is_status else 0,
        content_type=storable(content_type),
        headers=http_headers,
        payload=payload,
        refers_to=warc["WARC-Refers-To-Target-URI"],
    )
