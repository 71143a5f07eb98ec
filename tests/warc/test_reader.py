"""A zoo of archives: what can be read is kept, what cannot is one counted problem."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from base64 import b32encode, b64encode
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairsieve.records.outcome import Counted, Noted, Rejection, balance, notes, tally_of
from pairsieve.records.page import Location, Page
from pairsieve.warc.codings import decoded
from pairsieve.warc.member_records import first_record
from pairsieve.warc.members import Decompressed, next_start, read_members
from pairsieve.warc.reader import INSIDE_RECORD, ReadSettings
from pairsieve.warc.record import digest_matches
from pairsieve.warc.source import ArchiveSettings, read_at
from pairsieve.warc.stream_records import read_records
from tests.support.archives import ALL, A, B, C, pages, problems, read, read_file
from tests.support.warcs import DATE, nested, page, plain, response

OUTCOMES = (Rejection, Counted, Noted)


def lying(record: bytes, by: int) -> bytes:
    """A record whose Content-Length is wrong by some bytes."""
    head, _, rest = plain(record).partition(b"Content-Length: ")
    length, _, body = rest.partition(b"\r\n")
    return gzip.compress(head + b"Content-Length: %d\r\n" % (int(length) + by) + body)


def flipped(member: bytes) -> bytes:
    """A member with a broken middle."""
    middle = len(member) // 2
    return (
        member[:middle]
        + bytes(255 - byte for byte in member[middle : middle + 20])
        + member[middle + 20 :]
    )


ABOUT_ARC = b"1 0 Somebody\nURL IP-address Archive-date Content-type Archive-length\n"
IN_ARC = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<img src=b alt='a star'>"
ARC = b"filedesc://x.arc 0.0.0.0 20260102030405 text/plain %d\n%s\n" % (
    len(ABOUT_ARC),
    ABOUT_ARC,
) + b"https://a.example/ 1.2.3.4 20260102030405 text/html %d\n%s\n" % (len(IN_ARC), IN_ARC)
NO_ARCHIVE = [("file", "unreadable_NotAnArchive")]
ZOO = {
    "whole": (A + B + C, ALL, []),
    "not compressed": (plain(A, B, C), ALL, []),
    "one gzip stream": (gzip.compress(plain(A, B, C)), ALL, []),
    "ARC": (ARC, ALL[:1], []),
    "ARC, compressed": (
        gzip.compress(ARC[: ARC.index(b"https://a")])
        + gzip.compress(ARC[ARC.index(b"https://a") :]),
        ALL[:1],
        [],
    ),
    "empty file": (b"", [], [("file", "unreadable_EOFError")]),
    "plain text": (b"hello world\n" * 20, [], NO_ARCHIVE),
    "gzip of text": (gzip.compress(b"hello world\n" * 20), [], NO_ARCHIVE),
    "gzip header alone": (b"\x1f\x8b\x08", [], NO_ARCHIVE),
    "garbage after gzip magic": (b"\x1f\x8b\x08garbage", [], NO_ARCHIVE),
    "cut in the last record": (A + B + C[: len(C) // 2], ALL[:2], [("record", "damaged")]),
    "cut in the first record": (A[: len(A) // 2], [], [("record", "damaged")]),
    "cut between records": (A + B, ALL[:2], []),
    "cut, not compressed": (plain(A, B, C)[:-60], ALL[:2], [("record", "damaged")]),
    "cut, one gzip stream": (
        gzip.compress(plain(A, B, C))[:-20],
        ALL[:2],
        [("record", "damaged"), ("split", "unreadable_EOFError")],
    ),
    "garbage behind a record": (A + b"\0\1\2\3" * 10, ALL[:1], [("record", "damaged")]),
    "garbage between records": (A + b"\0\1\2\3" * 10 + B, ALL[:2], [("record", "damaged")]),
    "text in a member between records": (
        A + gzip.compress(b"hello") + B,
        ALL[:2],
        [("record", "not_a_record")],
    ),
    "damaged in the middle": (A + flipped(B) + C, [ALL[0], ALL[2]], [("record", "damaged")]),
    "wrong checksum": (
        A + B[:-8] + bytes(4) + B[-4:] + C,
        [ALL[0], ALL[2]],
        [("record", "damaged")],
    ),
    "two records in a member": (
        A + gzip.compress(plain(B, B)) + C,
        [ALL[0], ALL[1], ALL[1], ALL[2]],
        [],
    ),
    "an archive inside a record": (A + nested(B, B) + C, [ALL[0], ALL[2]], []),
    "length too great": (A + lying(B, 1000), ALL[:1], [("record", "length_mismatch")]),
    "length too small": (A + lying(B, -5) + C, [ALL[0], ALL[2]], [("record", "length_mismatch")]),
    "no length": (
        A + gzip.compress(plain(B).replace(b"Content-Length", b"Content-Breadth", 1)),
        ALL[:1],
        [("record", "length_mismatch")],
    ),
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
    tally = tally_of(item for item in read(tmp_path, ZOO[name][0]) if isinstance(item, OUTCOMES))
    assert balance(tally, "file").adds_up
    assert balance(tally, "split").adds_up
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
    picture = response(
        "https://a.example/p.jpg", b"pixels", kind="image/jpeg", headers=[("X-Robots-Tag", "noai")]
    )
    found = read(tmp_path, A + picture)
    (location,) = (item for item in found if isinstance(item, Location))
    assert (location.url, location.http_status, location.record_offset) == (
        "https://a.example/p.jpg",
        200,
        len(A),
    )
    headers, body = read_at(location.warc_file, location.record_offset, ArchiveSettings(100))
    assert body == b"pixels"
    assert ("X-Robots-Tag", "noai") in headers


def test_locations_only_when_asked_for(tmp_path):
    picture = response("https://a.example/p.jpg", b"pixels", kind="image/jpeg")
    assert not any(
        isinstance(item, Location)
        for item in read(tmp_path, picture, ReadSettings(100, locate=False))
    )


def test_encoded_bodies_are_decoded(tmp_path):
    body = gzip.compress(b"<img src=a alt=hello>")
    (found,) = (
        item
        for item in read(
            tmp_path, response("https://a.example/", body, headers=[("Content-Encoding", "gzip")])
        )
        if isinstance(item, Page)
    )
    assert found.payload == b"<img src=a alt=hello>"


def test_wget_puts_brackets_round_urls(tmp_path):
    member = gzip.compress(
        plain(A).replace(
            b"WARC-Target-URI: https://a.example/", b"WARC-Target-URI: <https://a.example/>"
        )
    )
    assert pages(read(tmp_path, member)) == [ALL[0]]


@given(
    content=st.binary(max_size=300), cut=st.integers(0, len(A + B)), insert=st.binary(max_size=40)
)
@settings(max_examples=150, deadline=None)
def test_reading_never_raises(content, cut, insert, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    for broken in (content, (A + B)[:cut] + insert + (A + B)[cut:]):
        found = read(folder, broken)
        tally = tally_of(item for item in found if isinstance(item, OUTCOMES))
        assert balance(tally, "file").adds_up
        assert balance(tally, "split").adds_up
        assert balance(tally, "record").adds_up


# Each record of these is one member.
WHOLE = ("whole", "cut between records", "an archive inside a record", "ARC, compressed")


@pytest.mark.parametrize("name", WHOLE)
def test_both_readers_read_the_same(name):
    content = ZOO[name][0]
    by_members = [
        replace(first_record(member), offset=0)
        for member in read_members(io.BytesIO(content), 0, None, 10_000)
    ]
    from_the_front = Decompressed(io.BytesIO(content))
    assert by_members == [
        replace(record, offset=0) for record in read_records(from_the_front, 10_000)
    ]
    assert by_members


def test_one_gzip_stream_is_said_once_and_holds_no_places(tmp_path):
    picture = response("https://a.example/p.jpg", b"pixels", kind="image/jpeg")
    found = read(tmp_path, gzip.compress(plain(A, picture)))
    assert notes(tally_of(item for item in found if isinstance(item, OUTCOMES))) == {
        "file: read_whole_gzip_stream": 1
    }
    assert not any(isinstance(item, Location) for item in found)


def test_lost_bytes_are_counted(tmp_path):
    found = read(tmp_path, A + flipped(B) + C)
    assert notes(tally_of(item for item in found if isinstance(item, OUTCOMES))) == {
        "file: damaged_bytes": len(B)
    }


@pytest.mark.parametrize("check", [True, False])
def test_digests_are_checked_when_asked(check, tmp_path):
    found = read(
        tmp_path, A + tampered(B) + C, ReadSettings(10_000, locate=True, check_digests=check)
    )
    assert pages(found) == ([ALL[0], ALL[2]] if check else ALL)
    assert problems(found) == ([("record", "digest_mismatch")] if check else [])


def tampered(member: bytes) -> bytes:
    """A page with another word than when its digest was taken."""
    return gzip.compress(plain(member).replace(b"a red star", b"a new star"))


@pytest.mark.parametrize(
    ("labelled", "matches"),
    [
        ("sha1:" + b32encode(hashlib.sha1(b"x").digest()).decode(), True),
        ("SHA1:" + hashlib.sha1(b"x").hexdigest(), True),
        ("sha256:" + hashlib.sha256(b"x").hexdigest(), True),
        ("sha1:" + hashlib.sha1(b"y").hexdigest(), False),
        # Without what fills them up: both as in jwarc's WarcDigestTest.
        ("sha256:" + b32encode(hashlib.sha256(b"x").digest()).decode().rstrip("="), True),
        ("sha256:" + b32encode(hashlib.sha256(b"x").digest()).decode().lower(), True),
        ("sha256:" + b64encode(hashlib.sha256(b"x").digest()).decode(), True),
        ("sha1:" + b64encode(hashlib.sha1(b"x").digest()).decode().rstrip("="), True),
        ("sha1:" + b64encode(hashlib.sha1(b"y").digest()).decode(), False),
        ("sha1:banana", False),
        ("sha1:b\xe4nana", False),
        ("sha1:", False),
        ("blake9:00", None),
        ("", None),
    ],
)
def test_digest_matches(labelled, matches):
    assert digest_matches(b"x", labelled) is matches


def test_codings_that_were_undone_already():
    assert (
        decoded(
            b"plain words", (("Transfer-Encoding", "chunked"), ("Content-Encoding", "gzip")), 100
        )
        == b"plain words"
    )
    assert decoded(b"5\r\nhello\r\n0\r\n\r\n", (("Transfer-Encoding", "chunked"),), 100) == b"hello"


SIGN = b"\x1f\x8b\x08\x00"
FAKES = (SIGN + b"noise" * 5, SIGN * 30, gzip.compress(b"no record at all"), gzip.compress(b"WARC"))
PIECES = st.one_of(
    st.sampled_from(
        [
            A,
            B,
            C,
            flipped(A),
            A[: len(A) // 2],
            B[:-3],
            nested(A, B, C),
            nested(B),
            b"\0" * 50,
            *FAKES,
        ]
    ),
    st.builds(lambda n, fake: stored_page(n, fake), st.integers(0, 3), st.sampled_from(FAKES)),
)


def stored_page(number: int, inside: bytes) -> bytes:
    """A page that holds bytes which look like the start of a gzip member."""
    stored = zlib.compressobj(0, zlib.DEFLATED, 31)
    return (
        stored.compress(plain(response(f"https://s{number}.example/", b"<p>" + inside * 3)))
        + stored.flush()
    )


def seen(found: Iterable[object]) -> list[object]:
    """What a reader found, but for how the file was split."""
    kept = [
        item
        for item in found
        if not (isinstance(item, (Counted, Rejection)) and item.unit in ("split", "file"))
    ]
    return sorted(map(repr, kept))


def check_split(path: Path, pieces: list[bytes], split_bytes: int) -> None:
    path.write_bytes(A + b"".join(pieces))
    items = list(read_file(path, split_bytes=split_bytes))
    inside = any(isinstance(item, Rejection) and item.reason == INSIDE_RECORD for item in items)
    assert inside or seen(items) == seen(read_file(path)), (
        "either the same records, or the split is told to be wrong"
    )
    if not any(piece.startswith(nested(A)[:200]) or b"outer.example" in piece for piece in pieces):
        assert not inside, "only an archive inside a record makes a split wrong"


# A byte a split is thousands of splits a file: the suite has fewer and larger ones.
@given(pieces=st.lists(PIECES, max_size=8), split_bytes=st.integers(40, 1500))
@settings(max_examples=200)
def test_every_record_exactly_once_for_any_split(pieces, split_bytes, tmp_path_factory):
    check_split(tmp_path_factory.mktemp("split") / "x.warc.gz", pieces, split_bytes)


@pytest.mark.parametrize("split_bytes", [1, 2, 7])
def test_every_record_exactly_once_for_splits_of_a_few_bytes(split_bytes, tmp_path):
    check_split(tmp_path / "x.warc.gz", [stored_page(0, SIGN), B], split_bytes)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@given(pieces=st.lists(PIECES, max_size=12), split_bytes=st.integers(1, 1500))
@settings(max_examples=2000)
def test_every_record_exactly_once_for_many_splits(pieces, split_bytes, tmp_path_factory):
    check_split(tmp_path_factory.mktemp("split") / "x.warc.gz", pieces, split_bytes)


def test_a_split_inside_a_nested_archive_is_told(tmp_path):
    path = tmp_path / "x.warc.gz"
    path.write_bytes(A + nested(B, B, B) + C)
    inner = path.read_bytes().index(B)
    assert [
        item.reason
        for item in read_file(path, split_bytes=inner)
        if isinstance(item, Rejection) and item.unit == "split"
    ] == [INSIDE_RECORD]


def test_next_start_over_blocks():
    for gap in (0, 1, 1 << 20, (1 << 20) - 1, (1 << 20) - 3, (2 << 20) + 7):
        stream = io.BytesIO(b"\0" * gap + A)
        assert next_start(stream, 0) == gap
        assert next_start(stream, gap + 1) is None


PLAIN_RECORDS = [plain(member) for member in (A, B, C)]
PADDED = {
    # https://github.com/apache/stormcrawler/pull/652: warcio cannot read such files.
    "a zero behind each record, in its member": b"".join(
        gzip.compress(record + b"\0") for record in PLAIN_RECORDS
    ),
    # gzip(1), DIAGNOSTICS: "decompression OK, trailing zero bytes ignored".
    "zeros behind the last member": A + B + C + bytes(512),
    "many zeros behind the last member": A + B + C + bytes(1 << 17),
    "zeros between members": A + bytes(512) + B + bytes(7) + C,
    "zeros behind a stream": gzip.compress(b"".join(PLAIN_RECORDS)) + bytes(512),
    "zeros behind a plain file": b"".join(PLAIN_RECORDS) + bytes(512),
    "a zero behind each plain record": b"\0".join(PLAIN_RECORDS),
    "members of line ends alone": A + gzip.compress(b"\r\n") + B + gzip.compress(b"") + C,
}


@pytest.mark.parametrize("split_bytes", [None, 100])
@pytest.mark.parametrize("name", PADDED)
def test_what_fills_files_up_is_no_record(name, split_bytes, tmp_path):
    path = tmp_path / "x.warc.gz"
    path.write_bytes(PADDED[name])
    found = list(read_file(path, split_bytes=split_bytes))
    assert pages(found) == ALL
    assert problems(found) == []
    records = [item for item in found if isinstance(item, Counted) and item.unit == "record"]
    assert sum(item.number for item in records if item.outcome == "in") == 3


def test_a_zero_in_place_of_content_is_no_padding(tmp_path):
    longer = gzip.compress(PLAIN_RECORDS[1][:-4] + bytes(8))
    assert problems(read(tmp_path, A + longer + C)) == [("record", "length_mismatch")]


HTTP_PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>a page"
LOWER = [record.replace(b"WARC/1.0", b"warc/1.0") for record in PLAIN_RECORDS]
OTHER_HEADS = {
    # JWAT, test-upper-lower-case.warc.
    "version in lower case": b"".join(LOWER),
    "version in either case": PLAIN_RECORDS[0] + LOWER[1] + PLAIN_RECORDS[2],
    "damage before lower case": PLAIN_RECORDS[0] + LOWER[1] + b"xyz\r\n" + LOWER[2],
    # warcio reads it (recordloader.py, ARCHeadersParser): five fields, of which one is empty.
    "ARC without a type": b"".join(
        b"%s 1.2.3.4 20080101000000  %d\n%s\n" % (url.encode(), len(HTTP_PAGE), HTTP_PAGE)
        for url in ALL
    ),
}


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("name", OTHER_HEADS)
def test_other_heads_of_records(name, pack, tmp_path):
    assert pages(read(tmp_path, pack(OTHER_HEADS[name]))) == ALL


def test_members_with_other_heads_in_splits(tmp_path):
    path = tmp_path / "x.warc.gz"
    path.write_bytes(b"".join(map(gzip.compress, LOWER)))
    assert pages(read_file(path, split_bytes=100)) == ALL


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("end", [b"\r\n\r\n", b"", b"a" * 600_000 + b"\n"])
def test_starts_of_records_without_heads_take_linear_time(end, line_end, tmp_path):
    """1.4 MB of them took 45 seconds: for each one 256 kB were looked through."""
    starts = (b"WARC/1" + line_end) * 200_000
    damaged = plain(A) + b"junk\n" + starts + end
    found = read(tmp_path, damaged + plain(B))
    assert pages(found) == [ALL[0], ALL[1]]
    assert problems(found) == [("record", "not_a_record")]
    assert pages(read(tmp_path, damaged)) == [ALL[0]]
