"""Pictures out of the archive: redirects and revisits followed, codings undone, digests checked."""

from __future__ import annotations

import gzip
import io
from contextlib import closing, contextmanager
from dataclasses import astuple

import aiohttp
import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from pairsieve.records.packed import pack_rows
from pairsieve.records.page import Location
from pairsieve.warc.reader import ReadSettings, read_split
from pairsieve.warc.source import ArchiveReader, ArchiveSettings, fetch_from_archive, follow
from pairsieve.warc.splits import split_file
from pairsieve.web.answer import Answer, FetchRequest
from pairsieve.web.urls import bucket_of_url
from tests.support.warcs import DATE, response
from transforms.group import LOCATIONS, GroupSettings
from transforms.locations import LocationIndex, prefer, write_locations

PICTURE = b"the bytes of a picture"
SETTINGS = ArchiveSettings(max_bytes=1000)
HOST = "https://a.example"


def picture(path: str, body: bytes = PICTURE, **options) -> bytes:
    return response(f"{HOST}{path}", body, kind="image/png", **options)


def moved(path: str, to: str, kind: str = "text/html") -> bytes:
    return response(
        f"{HOST}{path}", b"<p>moved", kind=kind, status="302 Found", headers=[("Location", to)]
    )


def revisit(path: str, of: str) -> bytes:
    buffer = io.BytesIO()
    writer = WARCWriter(buffer, gzip=True)
    http = StatusAndHeaders("200 OK", [("Content-Type", "image/png")], protocol="HTTP/1.1")
    record = writer.create_revisit_record(
        f"{HOST}{path}", "sha1:AAAA", f"{HOST}{of}" if of else "", DATE, http_headers=http
    )
    writer.write_record(record)
    return buffer.getvalue()


def archived(tmp_path, *members: bytes) -> dict[str, Location]:
    """The locations in an archive of these records."""
    file = tmp_path / "x.warc.gz"
    file.write_bytes(b"".join(members))
    found: dict[str, Location] = {}
    for split in split_file(str(file), None, {}):
        for item in read_split(split, ReadSettings(10_000, locate=True)):
            if isinstance(item, Location):
                found[item.url] = prefer(found.get(item.url), item)
    return found


def ask(
    tmp_path,
    path: str,
    *members: bytes,
    settings: ArchiveSettings = SETTINGS,
    refuse=lambda *_: None,
) -> Answer:
    """What becomes of a URL in an archive of these records."""
    found = archived(tmp_path, *members)
    answers: list[Answer] = []
    fetch_from_archive([FetchRequest(f"{HOST}{path}", refuse, answers.append)], found.get, settings)
    (answer,) = answers
    assert answer.url == f"{HOST}{path}"
    return answer


CHUNKED = b"5\r\nthe b\r\n11\r\nytes of a picture\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("path", "final", "members"),
    [
        ("/p.png", "/p.png", [picture("/p.png")]),
        (
            "/p.png",
            "/p.png",
            [picture("/p.png", gzip.compress(PICTURE), headers=[("Content-Encoding", "gzip")])],
        ),
        (
            "/p.png",
            "/p.png",
            [picture("/p.png", CHUNKED, headers=[("Transfer-Encoding", "chunked")])],
        ),
        ("/p.png", "/q.png", [moved("/p.png", "/q.png"), picture("/q.png")]),
        (
            "/p.png",
            "/q.png",
            [
                picture("/q.png"),
                moved("/p.png", f"{HOST}/r.png", "image/png"),
                moved("/r.png", "q.png"),
            ],
        ),
        ("/p.png", "/q.png", [picture("/q.png"), revisit("/p.png", "/q.png")]),
        ("/p.png", "/p.png", [picture("/p.png"), revisit("/p.png", "/p.png")]),
        ("/p.png", "/p.png", [revisit("/p.png", ""), picture("/p.png")]),
        (
            "/p.png",
            "/p.png",
            [response(f"{HOST}/p.png", b"<p>not found", status="404 Not Found"), picture("/p.png")],
        ),
        ("/p.png", "/p.png", [moved("/p.png", "/login"), picture("/p.png")]),
    ],
)
def test_found(tmp_path, path, final, members):
    answer = ask(tmp_path, path, *members)
    assert (answer.status, answer.body, answer.final_url) == ("ok", PICTURE, f"{HOST}{final}")


@pytest.mark.parametrize(
    ("status", "members"),
    [
        ("not_in_archive", [picture("/q.png")]),
        ("not_in_archive", [moved("/p.png", "/q.png")]),
        ("not_in_archive", [revisit("/p.png", "")]),
        ("not_in_archive", [revisit("/p.png", "/p.png")]),
        ("not_in_archive", [revisit("/p.png", "/q.png")]),
        ("too_many_redirects", [moved("/p.png", "/q.png"), moved("/q.png", "/p.png")]),
        ("http_error", [response(f"{HOST}/p.png", b"<p>not found", status="404 Not Found")]),
        ("http_error", [response(f"{HOST}/p.png", b"<p>no", status="302 Found")]),
        ("empty", [picture("/p.png", b"")]),
        ("too_large", [picture("/p.png", b"x" * 1001)]),
    ],
)
def test_not_found(tmp_path, status, members):
    answer = ask(tmp_path, "/p.png", *members)
    assert (answer.status, answer.body) == (status, b"")


def test_a_payload_that_its_digest_does_not_know(tmp_path):
    changed = gzip.compress(gzip.decompress(picture("/p.png")).replace(b"the bytes", b"THE bytes"))
    answer = ask(tmp_path, "/p.png", changed)
    assert (answer.status, answer.body) == ("digest_mismatch", b"")


def test_a_digest_of_the_body_without_its_chunks(tmp_path):
    chunked, whole = (
        picture("/p.png", CHUNKED, headers=[("Transfer-Encoding", "chunked")]),
        picture("/p.png"),
    )
    assert (
        ask(
            tmp_path,
            "/p.png",
            gzip.compress(gzip.decompress(chunked).replace(digest(chunked), digest(whole))),
        ).status
        == "ok"
    )


def digest(member: bytes) -> bytes:
    return gzip.decompress(member).split(b"WARC-Payload-Digest: ")[1].split(b"\r\n")[0]


def test_the_headers_may_refuse(tmp_path):
    answer = ask(tmp_path, "/p.png", picture("/p.png"), refuse=lambda *_: "refused_by_response")
    assert (answer.status, answer.body) == ("refused_by_response", b"")


def test_an_archive_that_has_been_cut_off_since(tmp_path):
    location = Location(f"{HOST}/p.png", 200, "image/png", str(tmp_path / "x.warc.gz"), 0, DATE)
    for content in (b"", picture("/p.png", bytes(range(256)) * 3)[:-60], b"no archive"):
        (tmp_path / "x.warc.gz").write_bytes(content)
        answers: list[Answer] = []
        fetch_from_archive(
            [FetchRequest(location.url, lambda *_: None, answers.append)],
            {location.url: location}.get,
            SETTINGS,
        )
        assert answers[0].status == "archive_unreadable"


def test_hops_are_counted():
    urls = [f"{HOST}/{n}" for n in range(21)]
    chain = {urls[n]: Location(urls[n], 302, "", "f", n, "", urls[n + 1]) for n in range(20)}
    assert follow(urls[0], chain.get) == "too_many_redirects"
    assert follow(urls[16], chain.get) == "not_in_archive"


# (how the archive spells a picture's URL, how a page does)
SPELLINGS = [
    ("http://a.example:80/p.png", "http://a.example/p.png"),
    ("https://a.example:443/p.png", "https://a.example/p.png"),
    ("HTTPS://A.Example/p.png", "https://a.example/p.png"),
    ("https://bücher.example/p.png", "https://xn--bcher-kva.example/p.png"),
    ("https://BÜCHER.example/p.png", "https://bücher.example/p.png"),
    ("https://a.example/%7Eme/p.png", "https://a.example/~me/p.png"),
    ("https://a.example/%41.png", "https://a.example/A.png"),
    ("https://a.example/a b.png", "https://a.example/a%20b.png"),
    ("https://a.example/caf\u00e9.png", "https://a.example/caf%C3%A9.png"),
    ("https://a.example/caf%c3%a9.png", "https://a.example/caf\u00e9.png"),
    ("https://a.example/p.png?", "https://a.example/p.png"),
    ("https://a.example/p.png#top", "https://a.example/p.png"),
    ("https://a.example/p.png?q=a b#x", "https://a.example/p.png?q=a%20b"),
    ("https://a.example/x/../p.png", "https://a.example/p.png"),
    ("https://a.example?q", "https://a.example/?q"),
    ("https://0x7f.1/p.png", "https://127.0.0.1/p.png"),
    ("<https://a.example/p.png>", "https://a.example/p.png"),  # wget's brackets, in archives only
]


@pytest.mark.parametrize(
    ("stored", "asked"), [*SPELLINGS, *map(tuple, map(reversed, SPELLINGS[:-1]))]
)
def test_a_picture_is_found_however_its_url_is_spelled(stored, asked, tmp_path):
    found = archived(tmp_path, response(stored, PICTURE, kind="image/png"))
    answers: list[Answer] = []
    fetch_from_archive([FetchRequest(asked, lambda *_: None, answers.append)], found.get, SETTINGS)
    assert [(answer.url, answer.status, answer.body) for answer in answers] == [
        (asked, "ok", PICTURE)
    ]


@pytest.mark.parametrize(("stored", "asked"), SPELLINGS)
def test_its_index_finds_it_too(stored, asked, tmp_path):
    locations = archived(tmp_path, response(stored, PICTURE, kind="image/png")).values()
    settings = GroupSettings(buckets=7, part_rows=10, folder=str(tmp_path / "parts"))
    for location in locations:
        bucket = bucket_of_url(location.url, settings.buckets)
        write_locations(((LOCATIONS, bucket), [pack_rows([astuple(location)])]), settings)
    index = LocationIndex(settings.folder, settings.buckets)
    assert not isinstance(follow(asked, index.find), str)


def test_a_redirect_to_another_spelling_is_no_loop(tmp_path):
    redirect = moved("/%7Ep.png", "/~p.png")
    assert ask(tmp_path, "/~p.png", redirect, picture("/~p.png")).status == "ok"
    assert ask(tmp_path, "/%7Ep.png", redirect).status == "not_in_archive"


def test_a_connection_that_has_failed_is_not_used_again(monkeypatch):
    opened = []

    class Broken(io.BytesIO):
        def read(self, size=-1):
            raise aiohttp.ServerDisconnectedError

    @contextmanager
    def open_broken(path, options):
        opened.append(path)
        yield Broken()

    monkeypatch.setattr("pairsieve.warc.source.openers.open_excerpt", open_broken)
    with closing(ArchiveReader(ArchiveSettings(100))) as archives:
        for _ in range(2):
            with pytest.raises(aiohttp.ServerDisconnectedError):
                archives.read_at("s3://b/x.warc.gz", 0)
    assert len(opened) == 2


def test_one_reader_reads_several_archives_in_turn(tmp_path):
    paths = []
    for number in range(2):
        path = tmp_path / f"{number}.warc.gz"
        path.write_bytes(picture("/a.png", b"picture %d" % number))
        paths.append(str(path))
    with closing(ArchiveReader(SETTINGS)) as archives:
        bodies = [archives.read_at(paths[number], 0)[1] for number in (0, 0, 1, 0, 1)]
    assert bodies == [b"picture %d" % number for number in (0, 0, 1, 0, 1)]
