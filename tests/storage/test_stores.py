"""Inputs in object stores and on web servers, each a real server on loopback."""

from __future__ import annotations

import asyncio
import io
import random
import threading
import time
import urllib.request
import zipfile
from os import SEEK_END

import pytest
from aiohttp import web

from pairsieve.records.outcome import Noted, Rejection
from pairsieve.storage import files, openers
from pairsieve.storage.resume import FileChanged, ResumedStream
from pairsieve.warc.cdx import Excerpt, Place
from pairsieve.warc.splits import Split
from tests.support.archives import ALL, SETTINGS, A, B, C, pages
from tests.support.site import serve
from tests.support.warcs import cdxj
from transforms.read import InputSettings, ReadSettings, read_piece, split_input

CRAWL = A + B + C


def read_all(path: str, options: files.Options, **settings) -> list[object]:
    found: list[object] = []
    read = ReadSettings(SETTINGS.max_page_bytes, locate=False, options=options)
    for piece in split_input(path, InputSettings(**settings), options):
        found += read_piece(piece, read, {}) if isinstance(piece, (Split, Excerpt)) else [piece]
    return found


@pytest.fixture
def s3_account(s3, monkeypatch):
    """S3 as the environment of a run names it, with an account."""
    s3fs = pytest.importorskip("s3fs")
    settings = {
        "AWS_ENDPOINT_URL": s3,
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    yield s3fs.S3FileSystem()
    s3fs.S3FileSystem.clear_instance_cache()


def test_s3_without_an_account(s3, monkeypatch):
    s3fs = pytest.importorskip("s3fs")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    own = s3fs.S3FileSystem(key="x", secret="x")
    own.mkdir("commoncrawl", acl="public-read")
    own.pipe("commoncrawl/crawl/x.warc.gz", CRAWL)
    own.chmod("commoncrawl/crawl/x.warc.gz", "public-read")
    options = {"anon": True}
    assert files.expand("s3://commoncrawl/crawl/*.warc.gz", options) == [
        "s3://commoncrawl/crawl/x.warc.gz"
    ]
    assert files.size_of("s3://commoncrawl/crawl/x.warc.gz", options) == len(CRAWL)
    assert pages(read_all("s3://commoncrawl/crawl/x.warc.gz", options, split_bytes=100)) == ALL
    own.pipe("commoncrawl/i.cdxj", cdxj([("crawl/x.warc.gz", len(A), len(B))]))
    own.chmod("commoncrawl/i.cdxj", "public-read")
    assert pages(
        read_all("s3://commoncrawl/i.cdxj", options, kind="index", base="s3://commoncrawl/")
    ) == [ALL[1]]


def test_an_object_that_is_replaced_all_the_time_is_read(s3_account):
    """Who waits for a lock reads its object while the holder renews it."""
    holder = s3_account
    holder.mkdir("locks")
    holder.pipe("locks/1.json", b"beat 0")
    stop = threading.Event()

    def renew():
        beats = 0
        while not stop.is_set():
            beats += 1
            holder.pipe("locks/1.json", f"beat {beats}".encode())

    renewer = threading.Thread(target=renew)
    renewer.start()
    try:
        contents = {files.read_text("s3://locks/1.json") for _ in range(50)}
    finally:
        stop.set()
        renewer.join()
    assert all(content.startswith("beat ") for content in contents)


def test_an_upload_in_parts_that_fails_is_taken_back(s3_account):
    """What was begun and not ended would be paid for until somebody looks."""
    store = s3_account
    store.mkdir("uploads")
    store.default_block_size = 5 * 2**20
    begun = []

    def write():
        with files.open_whole("s3://uploads/large") as stream:
            for _ in range(3):
                stream.write(bytes(60 * 2**20))
            begun.extend(
                store.call_s3("list_multipart_uploads", Bucket="uploads").get("Uploads", [])
            )
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        write()
    assert begun, "else this test tells nothing"
    assert "Uploads" not in store.call_s3("list_multipart_uploads", Bucket="uploads")
    assert not store.exists("uploads/large")


def wait_for(url: str) -> None:
    for _ in range(100):
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(url)


def test_gs(gcs, monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs)
    # read when gcsfs is imported; a minute's wait otherwise
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    gcsfs = pytest.importorskip("gcsfs")
    options = {"token": "anon"}
    store = gcsfs.GCSFileSystem(project="test", **options)
    store.mkdir("crawl")
    store.pipe("crawl/a/x.warc.gz", CRAWL)
    assert files.expand("gs://crawl/a/*.warc.gz", options) == ["gs://crawl/a/x.warc.gz"]
    assert pages(read_all("gs://crawl/a/x.warc.gz", options, split_bytes=100)) == ALL


class Flaky:
    """A web server with ranges that breaks off the first answers to a GET, after some bytes."""

    def __init__(self, content: bytes, breaks: int) -> None:
        self.content, self.breaks, self.ranges = content, breaks, 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        start, stop = 0, len(self.content)
        if "Range" in request.headers:
            self.ranges += 1
            first, _, last = request.headers["Range"].removeprefix("bytes=").partition("-")
            start, stop = int(first), min(stop, int(last) + 1) if last else stop
        headers = {
            "Accept-Ranges": "bytes",
            "Content-Length": str(stop - start),
            "Content-Range": f"bytes {start}-{stop - 1}/{len(self.content)}",
        }
        response = web.StreamResponse(
            status=206 if "Range" in request.headers else 200, headers=headers
        )
        await response.prepare(request)
        if (
            request.method == "GET"
            and "Range" in request.headers
            and self.breaks > 0
            and stop - start > 1
        ):
            self.breaks -= 1
            await response.write(self.content[start : start + 1])
            await asyncio.sleep(0.01)
            assert request.transport is not None
            request.transport.abort()
            return response
        if request.method == "GET":
            await response.write(self.content[start:stop])
        return response


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch):
    monkeypatch.setattr("pairsieve.storage.resume.time.sleep", lambda seconds: None)


def test_http_with_ranges():
    server = Flaky(CRAWL, breaks=0)
    with serve(server.answer) as port:
        found = read_all(f"http://127.0.0.1:{port}/x.warc.gz", {}, split_bytes=100)
    assert pages(found) == ALL
    assert server.ranges > 0


def test_a_broken_connection_is_resumed_and_counted():
    server = Flaky(CRAWL, breaks=0)
    with serve(server.answer) as port:
        path = f"http://127.0.0.1:{port}/x.warc.gz"
        server.breaks = 3
        found = list(read_piece(Split(path), SETTINGS, {}))
    assert pages(found) == ALL
    assert [
        note.number for note in found if isinstance(note, Noted) and note.what == "read_resumed"
    ] == [3]


def test_a_connection_that_stays_broken_is_one_problem():
    server = Flaky(CRAWL, breaks=1000)
    with serve(server.answer) as port:
        found = list(read_piece(Split(f"http://127.0.0.1:{port}/x.warc.gz"), SETTINGS, {}))
    (problem,) = [item for item in found if isinstance(item, Rejection)]
    assert (problem.unit, problem.outcome) == ("split", "quarantined")
    assert server.breaks == 1000 - 5, "one try and four more"


def test_a_range_that_breaks_off_is_asked_for_again():
    server = Flaky(CRAWL, breaks=0)
    with serve(server.answer) as port:
        base = f"http://127.0.0.1:{port}/"
        index = [("x.warc.gz", 0, len(A)), ("x.warc.gz", len(A), len(B))]
        server.breaks = 1
        excerpt = Excerpt(
            tuple(Place(base + name, offset, length) for name, offset, length in index)
        )
        assert pages(read_piece(excerpt, SETTINGS, {})) == ALL[:2]


class Failing:
    """A stream that fails now and then."""

    def __init__(self, content: bytes, fails: int, sizes: list[int]) -> None:
        self.content, self.at, self.fails, self.sizes = content, 0, fails, sizes

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = self.sizes[0] if whence == 2 else offset
        return self.at

    def tell(self) -> int:
        return self.at

    def read(self, size: int = -1) -> bytes:
        if self.at > 10 and self.fails:
            raise ConnectionResetError
        found = self.content[self.at : self.at + size]
        self.at += len(found)
        return found

    def close(self) -> None:
        raise OSError("closing fails too")


def opened(monkeypatch, *streams) -> None:
    waiting = list(streams)
    monkeypatch.setattr(
        "pairsieve.storage.resume.openers.open_stream", lambda path, options: waiting.pop(0)
    )


def test_reading_goes_on_where_it_was(monkeypatch):
    content = bytes(range(100))
    opened(
        monkeypatch,
        Failing(content, 1, [100]),
        Failing(content, 1, [100]),
        Failing(content, 0, [100]),
    )
    with ResumedStream("x", {}) as stream:
        assert b"".join(iter(lambda: stream.read(7), b"")) == content
        assert stream.resumed == 2


def test_what_lies_outside_a_file_is_not_asked_for(monkeypatch):
    class Refusing(Failing):
        def read(self, size: int = -1) -> bytes:
            raise ConnectionResetError

    opened(monkeypatch, Refusing(bytes(90), 0, [90]))
    with ResumedStream("x", {}) as stream:
        for offset in (90, 91, 1 << 70):
            stream.seek(offset)
            assert stream.read(10) == b""
        with pytest.raises(ValueError, match="before the start"):
            stream.seek(-1)
        assert stream.resumed == 0


def test_a_file_whose_size_could_not_be_asked_is_opened_again(monkeypatch):
    class Unsized(Failing):
        def seek(self, offset: int, whence: int = 0) -> int:
            raise ConnectionResetError

    opened(monkeypatch, Unsized(bytes(90), 0, []), Failing(bytes(range(90)), 0, [90]))
    with ResumedStream("x", {}) as stream:
        assert stream.seek(0, SEEK_END) == 90
        assert stream.resumed == 1


def test_a_file_that_changed_is_not_read_on(monkeypatch):
    opened(monkeypatch, Failing(bytes(100), 1, [100]), Failing(bytes(90), 0, [90]))
    with (
        ResumedStream("x", {}) as stream,
        pytest.raises(FileChanged, match="had 100 bytes and has 90 now"),
    ):
        list(iter(lambda: stream.read(7), b""))


@pytest.mark.parametrize("kind", [FileNotFoundError, PermissionError])
def test_what_is_not_there_is_not_waited_for(kind, monkeypatch):
    tried = []

    def fail(path, options):
        tried.append(path)
        raise kind

    monkeypatch.setattr("pairsieve.storage.resume.openers.open_stream", fail)
    with pytest.raises(kind), ResumedStream("x", {}):
        pass
    assert len(tried) == 1


def test_an_excerpt_of_a_file_in_a_zip_file(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        made.writestr("x", bytes(range(100)))
    with openers.open_excerpt(f"zip://x::{tmp_path}/a.zip") as stream:
        stream.seek(90)
        assert stream.read(3) == bytes((90, 91, 92))


class Unreliable(io.BytesIO):
    """An object that breaks now and then, and gives less than it was asked for."""

    def __init__(self, content: bytes, chance: random.Random) -> None:
        super().__init__(content)
        self.chance = chance

    def read(self, size: int | None = -1) -> bytes:
        luck = self.chance.random()
        if luck < 0.2:
            super().read(3)
            raise ConnectionResetError
        if luck < 0.3 and size and size > 1:
            size = self.chance.randrange(1, size)
        return super().read(size)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 8000, 30_000])
def test_a_store_is_read_like_a_file_at_any_places(size, monkeypatch):
    monkeypatch.setattr("pairsieve.storage.resume.LITTLE_BYTES", 256)
    monkeypatch.setattr("pairsieve.storage.resume.AHEAD_BYTES", 8000)
    chance = random.Random(size)
    content = chance.randbytes(size)
    monkeypatch.setattr(
        "pairsieve.storage.resume.openers.open_stream",
        lambda path, options: Unreliable(content, chance),
    )
    with ResumedStream("memory://x", {}, waits_s=(0,) * 30) as stream:
        for _ in range(500):
            if chance.random() < 0.1:
                start = chance.randrange(size + 300)
                stream.expect(start, chance.choice([None, start + 300, start + 9000]))
            if chance.random() < 0.4:
                stream.seek(chance.randrange(size + 300))
            at = stream.tell()
            wanted = chance.choice([-1, 0, 1, 64, 256, 257, 8001])
            found = stream.read(wanted)
            expected = content[at:] if wanted < 0 else content[at : at + wanted]
            # Fewer bytes only where the store gave fewer, and none only at the end.
            assert expected.startswith(found)
            assert found or not expected
            assert stream.tell() == at + len(found)
