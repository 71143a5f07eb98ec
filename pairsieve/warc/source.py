"""Fetches images from the archive itself, without a request.

extract wrote where the archive holds the files of each host. Images are read at these offsets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from typing import IO

from pairsieve.records.page import LOCATION_SCHEMA, Headers, Location
from pairsieve.storage import files, openers
from pairsieve.storage.resume import TRANSIENT_ERRORS
from pairsieve.storage.sealed import read_sealed
from pairsieve.warc.codings import decoded
from pairsieve.warc.reader import CODING_BYTES, READ_ERRORS
from pairsieve.warc.record import Record, digest_matches
from pairsieve.warc.record_at import Codecs, read_record_at
from pairsieve.web.answer import Answer, FetchRequest, PageLicence
from pairsieve.web.body import text_of
from pairsieve.web.places import address_key
from pairsieve.web.rsl import linked_licences
from pairsieve.web.sites import licence_refusal
from pairsieve.web.urls import origin_of

# Redirects and revisits on the way to one picture.
MAX_HOPS = 5

Find = Callable[[str], Location | None]
"""Canonical URL (`address_key`) -> its location in the archive."""


@dataclass(frozen=True)
class ArchiveSettings:
    """How images are read from the archive.

    `max_bytes` bounds the decoded body of one image. `options` are those that fsspec needs to reach
    the archive.
    """

    max_bytes: int
    options: files.Options = field(default_factory=dict)


class ArchiveReader:
    """Reads single records of archives. It keeps the last archive open.

    Where records are read in the order in which they lie, an object store is asked once for several
    of them.
    """

    def __init__(self, settings: ArchiveSettings) -> None:
        self.settings = settings
        self._open = ExitStack()
        self._path = ""
        self._stream: IO[bytes] | None = None
        self._codecs = Codecs()

    def record_at(self, warc_file: str, record_offset: int) -> Record:
        """Read one record, its payload as it was served. Raises READ_ERRORS."""
        try:
            stream = self._stream_of(warc_file)
            keep_bytes = self.settings.max_bytes + CODING_BYTES
            return read_record_at(stream, record_offset, keep_bytes, self._codecs)
        except (*READ_ERRORS, *TRANSIENT_ERRORS):
            # A connection that has failed is not used again.
            self.close()
            raise

    def read_at(self, warc_file: str, record_offset: int) -> tuple[Headers, bytes]:
        """Read the HTTP headers and the decoded payload of one record. Raises READ_ERRORS."""
        record = self.record_at(warc_file, record_offset)
        return record.headers, self.body(record)

    def body(self, record: Record) -> bytes:
        """Decode the payload of a record. Raises READ_ERRORS."""
        # One byte more than allowed shows that a body is too large.
        return decoded(record.payload, record.headers, self.settings.max_bytes + 1)

    def close(self) -> None:
        """Close the archive that is open."""
        self._open.close()
        self._path = ""
        self._stream = None
        self._codecs = Codecs()

    def _stream_of(self, warc_file: str) -> IO[bytes]:
        if self._stream is None or warc_file != self._path:
            self.close()
            opened = openers.open_excerpt(warc_file, self.settings.options)
            self._stream = self._open.enter_context(opened)
            self._path = warc_file
        return self._stream


def read_at(warc_file: str, record_offset: int, settings: ArchiveSettings) -> tuple[Headers, bytes]:
    """Read the HTTP headers and the decoded payload of a single record. Raises READ_ERRORS."""
    with closing(ArchiveReader(settings)) as archives:
        return archives.read_at(warc_file, record_offset)


def read_locations(path: str) -> dict[str, Location]:
    """Read URL -> location; empty if the archive holds nothing of a bucket. Raises Damaged."""
    if not files.exists(path):
        return {}
    rows = read_sealed(path).select(LOCATION_SCHEMA.names).to_pylist()
    return {row["url"]: Location(**row) for row in rows}


def fetch_from_archive(
    requests: Iterable[FetchRequest], find: Find, settings: ArchiveSettings
) -> None:
    """Answer each request. Records are read in the order in which they lie in the archive."""
    located: list[tuple[Location, FetchRequest]] = []
    for request in requests:
        location = follow(request.url, find)
        if isinstance(location, str):
            request.deliver(Answer(request.url, status=location))
        else:
            located.append((location, request))
    located.sort(key=lambda pair: (pair[0].warc_file, pair[0].record_offset))
    with closing(ArchiveReader(settings)) as archives:
        for location, request in located:
            request.deliver(_answer(location, request, find, archives))


def follow(url: str, find: Find) -> Location | str:
    """The location of a URL's bytes, or the status that says why there are none.

    It is looked up under its canonical URL, as it was written down. Redirects and revisits inside
    the archive are followed.
    """
    next_url = address_key(url)
    for _ in range(MAX_HOPS + 1):
        location = find(next_url)
        if location is None:
            return "not_in_archive"
        if not location.target:
            return location
        next_url = location.target
    return "too_many_redirects"


def _answer(
    location: Location, request: FetchRequest, find: Find, archives: ArchiveReader
) -> Answer:
    answer = Answer(
        url=request.url,
        status="ok",
        http_status=location.http_status,
        final_url=location.url,
        fetched_at=location.crawl_time,
    )
    if location.http_status != 200:
        return replace(answer, status="http_error")
    try:
        record = archives.record_at(location.warc_file, location.record_offset)
        body = archives.body(record)
    except READ_ERRORS:
        return replace(answer, status="archive_unreadable")
    status = (
        request.check_headers(request.url, location.url, record.headers)
        or _licence_refusal(request, record, find, archives)
        or _body_status(record, body, archives.settings)
    )
    return replace(
        answer,
        status=status,
        content_type=location.content_type,
        headers=record.headers,
        body=body if status == "ok" else b"",
        archive_location=(location.warc_file, location.record_offset),
    )


def _licence_refusal(
    request: FetchRequest, record: Record, find: Find, archives: ArchiveReader
) -> str | None:
    """The status with which a licence file (RSL) refuses the picture, or None.

    A page or the answer itself names such files. They are read from the archive. One that the
    archive does not hold is not requested from the web, and refuses the picture: terms that cannot
    be read are a no.
    """
    link_headers = [value for name, value in record.headers if name.lower() == "link"]
    addresses = linked_licences(link_headers, request.url)
    licences_of_answer = [PageLicence(address, request.url) for address in addresses]
    for licence in (*request.licences, *licences_of_answer):
        text = _licence_text(licence.address, find, archives)
        origin = origin_of(licence.page_url)
        # A licence may be about the picture, or about the page.
        for url in (request.url, licence.page_url):
            refusal = licence_refusal(text, licence.address, url, origin)
            if refusal:
                return refusal
    return None


def _licence_text(address: str, find: Find, archives: ArchiveReader) -> str:
    """The text of a licence file; empty if the archive does not hold it."""
    location = follow(address, find)
    if isinstance(location, str) or location.http_status != 200:
        return ""
    try:
        _, body = archives.read_at(location.warc_file, location.record_offset)
        return text_of(body)
    except READ_ERRORS:
        return ""


def _body_status(record: Record, body: bytes, settings: ArchiveSettings) -> str:
    if not body:
        return "empty"
    if len(body) > settings.max_bytes:
        return "too_large"
    return "ok" if _is_whole(record) else "digest_mismatch"


def _is_whole(record: Record) -> bool:
    """Whether the payload matches its digest. A record without a digest counts as whole."""
    if digest_matches(record.payload, record.payload_digest) is not False:
        return True
    # Some crawlers compute the digest of the body after its chunks were joined.
    transfer_headers = tuple(
        (name, value) for name, value in record.headers if name.lower() == "transfer-encoding"
    )
    joined = decoded(record.payload, transfer_headers, len(record.payload))
    return digest_matches(joined, record.payload_digest) is True
