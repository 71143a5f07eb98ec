"""How many bytes an object store is asked for, where little of a file is read, or in any order.

fsspec reads 5 MB beyond each place, and s3fs 50: one archive of a gigabyte in pieces of 4 MB
would be a hundred gigabytes of traffic.
"""

from __future__ import annotations

import gc
import hashlib
import io
import tempfile
from collections import Counter
from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from warcio.warcwriter import WARCWriter

from pairsieve.erasure.match import Matcher
from pairsieve.erasure.requests import Request
from pairsieve.links.tables import read_urls_and_captions, row_groups
from pairsieve.records.manifest import ListedFile
from pairsieve.records.page import Location
from pairsieve.search.rows import batches
from pairsieve.storage import files, openers, parts
from pairsieve.warc.cdx import excerpts
from pairsieve.warc.reader import ReadSettings, read_split
from pairsieve.warc.source import ArchiveReader, ArchiveSettings
from pairsieve.warc.splits import split_file
from tests.support.containers import DICTIONARY, with_dictionary
from transforms.erase.found import ROW, open_rows
from transforms.erase.rewrite import RewriteSettings, ShardToRewrite, rewrite_shard
from transforms.erase.search import matches_in

RECORD_BYTES = 60_000
RECORDS = 250
SPLIT_BYTES = 4_000_000
ROWS, ROWS_OF_GROUP, CELL_BYTES = 40_000, 2_000, 80


def noise(number: int, size: int = RECORD_BYTES) -> bytes:
    """Bytes that do not compress, like those of a picture."""
    return hashlib.shake_256(str(number).encode()).digest(size)


def record(number: int, gzip: bool) -> bytes:
    """A picture as a crawler writes it."""
    written = io.BytesIO()
    writer = WARCWriter(written, gzip=gzip)
    http = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n" + noise(number)
    url = f"https://a.example/{number}.png"
    writer.write_record(writer.create_warc_record(url, "response", payload=io.BytesIO(http)))
    return written.getvalue()


@pytest.fixture(scope="module")
def archive() -> bytes:
    """An archive of 15 MB."""
    return b"".join(record(number, gzip=True) for number in range(RECORDS))


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


# fsspec leaves the file of a blockcache open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("cache", ["blockcache", "filecache", "simplecache"])
def test_a_cache_of_fsspec_before_the_store(cache, stored, asked, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    path = f"{cache}::{stored}"
    places = locations(path)
    assert len(places) == RECORDS
    with closing(ArchiveReader(ArchiveSettings(1_000_000))) as archives:
        _, body = archives.read_at(path, places[7].record_offset)
    assert body == noise(int(places[7].url.rpartition("/")[2].removesuffix(".png")))
    gc.collect()


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


def test_records_that_need_the_dictionary_of_their_archive(on_s3, asked):
    place, store = on_s3
    records = [record(number, gzip=False) for number in range(100)]
    archive = with_dictionary(records, DICTIONARY.dict_content)
    store.pipe_file("runs/traffic/pictures.warc.zst", archive)
    path = f"{place}/traffic/pictures.warc.zst"
    places = locations(path)
    asked.clear()
    with closing(ArchiveReader(ArchiveSettings(1_000_000))) as archives:
        for found in places:
            archives.read_at(path, found.record_offset)
    assert len(places) == len(records)
    assert asked["bytes"] < len(archive) + 3 * 1024 * 1024, "the dictionary is read once"


def test_gcsfs_asks_for_a_megabyte_at_a_time(monkeypatch):
    """Its files guess what is read next, unless they are told."""
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    gcsfs = pytest.importorskip("gcsfs")
    content = b"".join(noise(number) for number in range(100))
    requests = []

    class Bucket(gcsfs.GCSFileSystem):
        def info(self, path, **_):
            return {"name": path, "size": len(content), "type": "file"}

        def cat_file(self, path, start, end, **_):
            requests.append(start)
            return content[start:end]

        async def _cat_file_concurrent(self, path, start, end, **options):
            return self.cat_file(path, start, end)

    bucket = Bucket(token="anon", project="test", skip_instance_cache=True)
    monkeypatch.setattr(files, "filesystem", lambda path, options: (bucket, path))
    with openers.open_excerpt("bucket/pictures") as stream:
        for start in range(0, len(content), RECORD_BYTES):
            stream.seek(start)
            sign = stream.read(4)
            stream.seek(start)
            assert stream.read(RECORD_BYTES) == content[start : start + RECORD_BYTES]
            assert sign == content[start : start + 4]
    assert len(requests) <= 1 + len(content) / openers.EXCERPT_BYTES


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


@pytest.fixture(scope="module")
def table() -> bytes:
    """A table of 24 MB in 20 row groups, sorted by key; its texts do not compress."""
    texts = [noise(number, CELL_BYTES).hex() for number in range(ROWS)]
    columns = {
        "URL": [f"https://host{number}.example/{text}" for number, text in enumerate(texts)],
        "other": texts[1:] + texts[:1],
        "TEXT": texts[2:] + texts[:2],
        "warc_filename": ["crawl.warc.gz"] * ROWS,
        "warc_record_offset": range(ROWS),
        "warc_record_length": [1] * ROWS,
        "last": texts[3:] + texts[:3],
        "key": [f"{number:032x}" for number in range(ROWS)],
    }
    written = io.BytesIO()
    pq.write_table(pa.table(columns), written, row_group_size=ROWS_OF_GROUP)
    return written.getvalue()


@pytest.fixture
def stored_table(on_s3, table) -> str:
    place, store = on_s3
    store.pipe_file("runs/traffic/table.parquet", table)
    return f"{place}/traffic/table.parquet"


def stored_bytes(table: bytes, *names: str) -> int:
    """The bytes of some columns."""
    footer = pq.read_metadata(pa.BufferReader(table))
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    columns = [group.column(number) for group in groups for number in range(group.num_columns)]
    return sum(each.total_compressed_size for each in columns if each.path_in_schema in names)


def test_links_by_row_group(stored_table, table, asked):
    rows = 0
    for group in row_groups(stored_table, {}):
        rows += sum(len(urls) for urls, _ in read_urls_and_captions(group, {}))
    assert rows == ROWS
    footers = 100_000 * (ROWS // ROWS_OF_GROUP)
    assert asked["bytes"] < 1.1 * stored_bytes(table, "URL", "TEXT") + footers
    assert asked["requests"] < 5 * (ROWS // ROWS_OF_GROUP)


def test_a_columnar_index(stored_table, table, asked):
    read = list(excerpts(stored_table, "", {}))
    assert sum(len(excerpt.places) for excerpt in read) == ROWS
    assert asked["bytes"] < len(table) / 20


def test_a_row_that_is_sought_by_its_key(stored_table, table, asked):
    matcher = Matcher([Request("key", (f"{ROWS // 4:032x}",))])
    assert list(matches_in(stored_table, {}, matcher)) == [{0}]
    assert asked["bytes"] < len(table) / 10


def test_rows_that_are_sought_by_their_domain(stored_table, table, asked):
    """Every row group is read, so that little is asked for often."""
    matcher = Matcher([Request("domain", ("host7.example",))])
    assert list(matches_in(stored_table, {}, matcher)) == [{0}]
    assert asked["bytes"] <= len(table) + openers.PIECE_BYTES
    assert asked["requests"] <= len(table) / openers.PIECE_BYTES + 2


def test_columns_of_all_rows(stored_table, table, asked):
    read = batches(stored_table, ["key", "URL", "TEXT"], {})
    assert sum(batch.num_rows for batch in read) == ROWS
    # The piece with the footer is asked for again with its rows.
    assert asked["bytes"] <= len(table) + openers.PIECE_BYTES
    assert asked["requests"] <= len(table) / openers.PIECE_BYTES + 2


def test_a_shard_that_is_written_without_a_row(stored_table, table, asked, tmp_path):
    """Its checksum is checked first, but it is asked for once."""
    folder, name = stored_table.rsplit("/", 1)
    listed = ListedFile(name, ROWS, len(table), hashlib.sha256(table).hexdigest())
    with open_rows(str(tmp_path), name) as add:
        add(pa.table({ROW: [ROWS // 2]}))
    settings = RewriteSettings(folder, str(tmp_path / "new"), str(tmp_path))
    (written,) = rewrite_shard(ShardToRewrite(listed, 1), settings)
    assert written.rows == ROWS - 1
    assert asked["bytes"] == len(table)


def test_the_size_of_a_file(on_s3, stored, archive, monkeypatch):
    """One request says whether a file is there and how large it is."""
    import s3fs

    calls = []
    call_s3 = s3fs.S3FileSystem._call_s3

    def counting(self, method: str, *arguments, **named):
        calls.append(method)
        return call_s3(self, method, *arguments, **named)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", counting)
    on_s3[1].invalidate_cache()
    assert files.size_of(stored) == len(archive)
    assert calls == ["head_object"]
    assert files.size_of(f"{stored}.missing") == -1
