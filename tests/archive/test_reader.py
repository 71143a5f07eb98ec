"""A zoo of archives: what can be read is kept, what cannot is one counted problem."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.reader import ReadSettings, read_archive, read_payload
from archive.source import read_at
from records.outcome import Counted, Rejection, balance, tally_of
from records.page import Location, Page
from tests.warcs import DATE, page, plain, response

SETTINGS = ReadSettings(max_page_bytes=10_000, locate=True)


def read(folder: Path, content: bytes, settings: ReadSettings = SETTINGS) -> list[object]:
    path = folder / "x.warc.gz"
    path.write_bytes(content)
    return list(read_archive(str(path), settings))


def pages(found: Iterable[object]) -> list[str]:
    return [item.url for item in found if isinstance(item, Page)]


def problems(found: Iterable[object]) -> list[tuple[str, str]]:
    return [(item.unit, item.reason) for item in found if isinstance(item, Rejection)]


A, B, C = (page(f"https://{name}.example/") for name in "abc")
ALL = ["https://a.example/", "https://b.example/", "https://c.example/"]


def lying(record: bytes, by: int) -> bytes:
    """A record whose Content-Length is wrong by some bytes."""
    head, _, rest = plain(record).partition(b"Content-Length: ")
    length, _, body = rest.partition(b"\r\n")
    return gzip.compress(head + b"Content-Length: %d\r\n" % (int(length) + by) + body)


ZOO = {
    "whole": (A + B + C, ALL, []),
    "not compressed": (plain(A, B, C), ALL, []),
    "empty file": (b"", [], [("file", "unreadable_EOFError")]),
    "plain text": (b"hello world\n" * 20, [], [("file", "unreadable_ArchiveLoadFailed")]),
    "gzip of text": (gzip.compress(b"hello world\n" * 20), [], [("file", "unreadable_ArchiveLoadFailed")]),
    "gzip header alone": (b"\x1f\x8b\x08", [], [("file", "unreadable_EOFError")]),
    "garbage after gzip magic": (b"\x1f\x8b\x08garbage", [], [("file", "unreadable_ArchiveLoadFailed")]),
    "cut in the last record": (A + B + C[: len(C) // 2], ALL[:2], [("file", "unreadable_EOFError")]),
    "cut between records": (A + B, ALL[:2], []),
    "cut, not compressed": (plain(A, B, C)[:-60], ALL[:2], [("file", "unreadable_EOFError")]),
    "garbage behind a record": (A + b"\0\1\2\3" * 10, ALL[:1], [("file", "unreadable_ArchiveLoadFailed")]),
    "one gzip stream": (gzip.compress(plain(A, B)), ALL[:1], [("file", "unreadable_ArchiveLoadFailed")]),
    "length too great": (A + lying(B, 1000), ALL[:1], [("file", "unreadable_EOFError")]),
    "length too small": (A + lying(B, -5) + C, [ALL[0], ALL[2]], [("record", "length_mismatch")]),
}


@pytest.mark.parametrize("name", ZOO)
def test_zoo(name, tmp_path, capfd):
    content, expected_pages, expected_problems = ZOO[name]
    found = read(tmp_path, content)
    assert pages(found) == expected_pages
    assert problems(found) == expected_problems
    assert "example" not in "".join(capfd.readouterr()), "page content must not be printed"


@pytest.mark.parametrize("name", ZOO)
def test_counts_add_up(name, tmp_path):
    tally = tally_of(item for item in read(tmp_path, ZOO[name][0]) if isinstance(item, (Rejection, Counted)))
    assert balance(tally, "file").adds_up
    assert balance(tally, "record").adds_up


def test_problem_names_file_and_offset_only(tmp_path):
    (problem,) = (item for item in read(tmp_path, A + C[:50]) if isinstance(item, Rejection))
    assert problem.where == f"x.warc.gz@{len(A)}"


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (page(status="404 Not Found"), "http_404"),
        (page(body=""), "page_empty"),
        (page(body="x" * 10_001), "page_too_large"),
        (page(status="banana"), "http_0"),
    ],
)
def test_pages_that_are_not_taken(record, reason, tmp_path):
    found = read(tmp_path, record)
    assert pages(found) == []
    assert problems(found) == [("page", reason)]


def test_provenance(tmp_path):
    found = read(tmp_path, A + B)
    (second,) = (item for item in found if isinstance(item, Page) and item.url == ALL[1])
    assert second.origin.record_offset == len(A)
    assert second.origin.crawl_time == DATE
    assert second.origin.payload_digest.startswith("sha1:")
    assert second.origin.warc_file.endswith("x.warc.gz")


def test_pictures_are_located_and_can_be_read(tmp_path):
    picture = response("https://a.example/p.jpg", b"pixels", kind="image/jpeg", headers=[("X-Robots-Tag", "noai")])
    found = read(tmp_path, A + picture)
    (location,) = (item for item in found if isinstance(item, Location))
    assert (location.url, location.http_status, location.record_offset) == ("https://a.example/p.jpg", 200, len(A))
    headers, body = read_at(location.warc_file, location.record_offset, 100)
    assert body == b"pixels"
    assert ("X-Robots-Tag", "noai") in headers


def test_locations_only_when_asked_for(tmp_path):
    picture = response("https://a.example/p.jpg", b"pixels", kind="image/jpeg")
    assert not any(isinstance(item, Location) for item in read(tmp_path, picture, ReadSettings(100, locate=False)))


def test_encoded_bodies_are_decoded(tmp_path):
    body = gzip.compress(b"<img src=a alt=hello>")
    (found,) = (
        item
        for item in read(tmp_path, response("https://a.example/", body, headers=[("Content-Encoding", "gzip")]))
        if isinstance(item, Page)
    )
    assert found.payload == b"<img src=a alt=hello>"


def test_wget_puts_brackets_round_urls(tmp_path):
    member = gzip.compress(plain(A).replace(b"WARC-Target-URI: https://a.example/", b"WARC-Target-URI: <https://a.example/>"))
    assert pages(read(tmp_path, member)) == [ALL[0]]


def test_no_record_at_an_offset(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(A)
    with path.open("rb") as stream, pytest.raises(EOFError, match="no record"):
        read_payload(stream, len(A), 10)


@given(content=st.binary(max_size=300), cut=st.integers(0, len(A + B)), insert=st.binary(max_size=40))
@settings(max_examples=150, deadline=None)
def test_reading_never_raises(content, cut, insert, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    for broken in (content, (A + B)[:cut] + insert + (A + B)[cut:]):
        found = read(folder, broken)
        tally = tally_of(item for item in found if isinstance(item, (Rejection, Counted)))
        assert balance(tally, "file").adds_up
        assert balance(tally, "record").adds_up
