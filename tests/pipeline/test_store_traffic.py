"""How many bytes an object store is asked for, where little of a file is read, or in any order.

fsspec reads 5 or 50 MB beyond each place (gcsfs, s3fs): one archive of a gigabyte in pieces of 4 MB
would be a hundred gigabytes of traffic.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from contextlib import closing

import pytest
from warcio.warcwriter import WARCWriter

from pairsieve.records.page import Location
from pairsieve.storage import parts
from pairsieve.warc.reader import ReadSettings, read_split
from pairsieve.warc.source import ArchiveReader, ArchiveSettings
from pairsieve.warc.splits import split_file

RECORD_BYTES = 60_000
RECORDS = 250
SPLIT_BYTES = 4_000_000


def noise(number: int) -> bytes:
    """Bytes that do not compress, like those of a picture."""
    return hashlib.shake_256(str(number).encode()).digest(RECORD_BYTES)


@pytest.fixture(scope="module")
def archive() -> bytes:
    """Pictures in an archive of 15 MB, as a crawler writes it."""
    written = io.BytesIO()
    writer = WARCWriter(written, gzip=True)
    for number in range(RECORDS):
        http = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n" + noise(number)
        record = writer.create_warc_record(
            f"https://a.example/{number}.png", "response", payload=io.BytesIO(http)
        )
        writer.write_record(record)
    return written.getvalue()


@pytest.fixture
def asked(on_s3, monkeypatch) -> Counter[str]:
    """The bytes and the requests that the store was asked for."""
    import s3fs

    counted: Counter[str] = Counter()
    fetch_range = s3fs.core.S3File._fetch_range

    def counting(self, start: int, end: int) -> bytes:
        content = fetch_range(self, start, end)
        counted.update(bytes=len(content), requests=1)
        return content

    monkeypatch.setattr(s3fs.core.S3File, "_fetch_range", counting)
    return counted


@pytest.fixture
def stored(on_s3, archive) -> str:
    place, store = on_s3
    store.pipe_file("runs/traffic/pictures.warc.gz", archive)
    return f"{place}/traffic/pictures.warc.gz"


def locations(path: str) -> list[Location]:
    settings = ReadSettings(1_000_000, locate=True)
    return [
        item
        for split in split_file(path, SPLIT_BYTES, {})
        for item in read_split(split, settings)
        if isinstance(item, Location)
    ]


def test_an_archive_in_pieces(stored, archive, asked):
    """Some of the start is read for each piece, and some around its borders."""
    assert len(locations(stored)) == RECORDS
    assert asked["bytes"] < 1.3 * len(archive)


def test_single_records(stored, asked):
    places = locations(stored)
    asked.clear()
    distant = places[::60]
    with closing(ArchiveReader(ArchiveSettings(1_000_000))) as archives:
        for place in distant:
            _, body = archives.read_at(stored, place.record_offset)
            assert body == noise(int(place.url.rpartition("/")[2].removesuffix(".png")))
    assert asked["bytes"] < 1.2 * 1024 * 1024 * len(distant)


def test_records_that_lie_side_by_side(stored, archive, asked):
    places = locations(stored)
    asked.clear()
    with closing(ArchiveReader(ArchiveSettings(1_000_000))) as archives:
        for place in places:
            archives.read_at(stored, place.record_offset)
    assert asked["bytes"] < 1.2 * len(archive)
    assert asked["requests"] < RECORDS / 5


def test_pictures_in_any_order(on_s3, asked, monkeypatch):
    import s3fs

    folder = f"{on_s3[0]}/traffic/pictures"
    contents = {parts.digest_of(noise(number)): noise(number) for number in range(100)}
    with parts.write_pictures(folder, "part-00000-0000") as writer:
        for sha256, content in contents.items():
            writer.add(sha256, content)
    monkeypatch.setattr(s3fs.S3FileSystem, "default_block_size", 1_000_000)
    with parts.open_pictures(folder, "part-00000-0000") as reader:
        for sha256 in sorted(contents):
            assert reader.read(sha256) == contents[sha256]
    assert asked["bytes"] < 1.1 * sum(map(len, contents.values()))
