"""Pictures out of the archive: redirects and revisits followed, codings undone, digests checked."""

from __future__ import annotations

import gzip
import io

import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from pairsieve.records.page import Location
from pairsieve.warc.reader import ReadSettings, read_split
from pairsieve.warc.source import ArchiveSettings, fetch_from_archive, follow
from pairsieve.warc.splits import split_file
from pairsieve.web.answer import Answer, FetchRequest
from tests.support.warcs import DATE, response
from transforms.locations import prefer

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


def ask(
    tmp_path,
    path: str,
    *members: bytes,
    settings: ArchiveSettings = SETTINGS,
    refuse=lambda *_: None,
) -> Answer:
    """What becomes of a URL in an archive of these records."""
    file = tmp_path / "x.warc.gz"
    file.write_bytes(b"".join(members))
    found: dict[str, Location] = {}
    for split in split_file(str(file), None, {}):
        for item in read_split(split, ReadSettings(10_000, locate=True)):
            if isinstance(item, Location):
                found[item.url] = prefer(found.get(item.url), item)
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
    chain = {f"{n}": Location(f"{n}", 302, "", "f", n, "", f"{n + 1}") for n in range(20)}
    assert follow("0", chain.get) == "too_many_redirects"
    assert follow("16", chain.get) == "not_in_archive"
