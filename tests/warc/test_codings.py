"""Codings of bodies: undone in any stacking, also where they are only announced; damage is named."""

from __future__ import annotations

import gzip
import zlib

import brotli
import pytest

from pairsieve.records.outcome import Rejection
from pairsieve.records.page import Page
from pairsieve.warc.codecs import zstd_library
from pairsieve.warc.codings import Undecodable, codings_of, decode_body
from tests.support.archives import read
from tests.support.warcs import response

zstd = zstd_library()
TEXT = b"<!doctype html><p>" + b"a red star <img src=a.jpg alt='a red star'> " * 40
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(range(256)) * 4
# Text that each coding makes long enough to be cut.
NUMBERS = b"<p>" + b" ".join(b"%d" % (n * n * 7919) for n in range(60_000))
MANY = 1 << 20


def raw_deflate(body: bytes) -> bytes:
    made = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return made.compress(body) + made.flush()


def chunked(body: bytes, size: int = 100, line: bytes = b"%x\r\n") -> bytes:
    pieces = [body[n : n + size] for n in range(0, len(body), size)]
    return b"".join(line % len(piece) + piece + b"\r\n" for piece in pieces) + b"0\r\n\r\n"


def members(body: bytes) -> bytes:
    return b"".join(gzip.compress(body[n : n + 300]) for n in range(0, len(body), 300))


def frames(body: bytes) -> bytes:
    skippable = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"nonce"
    return skippable + zstd.compress(body[:50]) + zstd.compress(body[50:])


def headers(content: str = "", transfer: str = "") -> tuple[tuple[str, str], ...]:
    found = [("Content-Encoding", content), ("Transfer-Encoding", transfer)]
    return tuple((name, value) for name, value in found if value)


def gz(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


CODED = [
    # content coding, transfer coding, what is stored
    ("", "", lambda body: body),
    ("gzip", "", gz),
    ("GZIP", "", gz),
    ("x-gzip", "", gz),
    ("gzip", "", members),
    ("gzip", "", lambda body: gz(body) + b"\0" * 8),
    ("deflate", "", zlib.compress),
    ("deflate", "", raw_deflate),
    ("br", "", brotli.compress),
    ("zstd", "", zstd.compress),
    ("zstd", "", frames),
    ("gzip, gzip", "", lambda body: gz(gz(body))),
    ("gzip, br", "", lambda body: brotli.compress(gz(body))),
    ("deflate, zstd", "", lambda body: zstd.compress(zlib.compress(body))),
    ("identity", "", lambda body: body),
    ("gzip;q=1", "", gz),
    ("'gzip'", "", gz),
    ("", "chunked", chunked),
    ("", "Chunked", lambda body: chunked(body, 7, b"%X\r\n")),
    ("", "chunked", lambda body: chunked(body, 99, b"%06x \r\n")),
    ("", "chunked", lambda body: chunked(body, 99, b"%020x\r\n")),  # RFC 9112, 7.1: 1*HEXDIG
    ("", "chunked", lambda body: chunked(body, 99, b"%x;a=b\r\n")),
    ("", "chunked", lambda body: chunked(body).replace(b"\r\n", b"\n")),
    ("", "chunked", lambda body: chunked(body) + b"Trailer: x\r\n\r\n"),
    ("", "identity", lambda body: body),
    ("", "gzip, chunked", lambda body: chunked(gz(body))),
    ("gzip", "chunked", lambda body: chunked(gz(body))),
    ("br", "gzip, chunked", lambda body: chunked(gz(brotli.compress(body)))),
]


@pytest.mark.parametrize(("content", "transfer", "code"), CODED)
def test_codings_are_undone(content, transfer, code):
    body = decode_body(code(TEXT), headers(content, transfer), MANY)
    assert (body.content, body.whole) == (TEXT, True)


@pytest.mark.parametrize(
    "content", ["gzip", "x-gzip", "deflate", "br", "zstd", "compress", "gzip, br"]
)
@pytest.mark.parametrize("transfer", ["", "chunked", "gzip, chunked"])
@pytest.mark.parametrize(
    "body", [TEXT, JPEG, b"a", b"add\nthree words", b"12\r\nis a number and no size"]
)
def test_codings_that_are_only_announced(content, transfer, body):
    assert decode_body(body, headers(content, transfer), MANY).content == body


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_each_coding_has_a_byte_cap(coding):
    bomb = {"gzip": gz, "deflate": zlib.compress, "br": brotli.compress, "zstd": zstd.compress}[
        coding
    ]
    assert len(decode_body(bomb(bytes(10_000_000)), headers(coding), 1000).content) == 1000
    twice = bomb(bomb(bytes(10_000_000)))
    assert len(decode_body(twice, headers(f"{coding}, {coding}"), 50_000).content) == 50_000
    assert len(decode_body(chunked(TEXT), headers("", "chunked"), 1000).content) == 1000


@pytest.mark.parametrize(
    ("coding", "code"),
    [("gzip", gz), ("deflate", zlib.compress), ("br", brotli.compress), ("zstd", zstd.compress)],
)
def test_a_body_that_ends_too_early_or_is_damaged_is_no_text(coding, code):
    coded = code(NUMBERS)
    damaged = bytes(255 - byte for byte in coded[:40]) + coded[40:]
    with pytest.raises(Undecodable, match=f"coding_{coding}_damaged"):
        decode_body(damaged, headers(coding), MANY)
    half = decode_body(coded[: len(coded) // 2], headers(coding), MANY)
    assert not half.whole
    assert NUMBERS.startswith(half.content)


def test_what_stands_before_the_damage_is_kept():
    wrong_checksum = gz(NUMBERS)[:-8] + bytes(8)
    for stored, fields in (
        (wrong_checksum, headers("gzip")),
        (gz(NUMBERS)[:-9], headers("gzip")),
        (chunked(NUMBERS)[:-9], headers("", "chunked")),
    ):
        body = decode_body(stored, fields, MANY)
        assert not body.whole
        assert NUMBERS.startswith(body.content)
        assert len(body.content) > len(NUMBERS) - 200


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("compress", "coding_unknown"),
        ("gzip, " * 6, "coding_too_many"),
        ("br", "coding_br_damaged"),
    ],
)
def test_what_cannot_be_decoded_has_a_reason(content, reason, tmp_path):
    stored = b"\x1f\x9d\x90" + bytes(range(255, 0, -1)) * 3
    with pytest.raises(Undecodable) as raised:
        decode_body(stored, headers(content), MANY)
    assert raised.value.reason == reason
    made = response("https://a.example/", stored, headers=headers(content))
    (problem,) = (item for item in read(tmp_path, made) if isinstance(item, Rejection))
    assert (problem.unit, problem.reason, problem.outcome) == ("page", reason, "quarantined")
    assert problem.where == "x.warc.gz@0"


def test_every_coded_page_is_read(tmp_path):
    made = [
        response(f"https://a.example/{n}", code(TEXT), headers=headers(content, transfer))
        for n, (content, transfer, code) in enumerate(CODED)
    ]
    found = [item for item in read(tmp_path, b"".join(made)) if isinstance(item, Page)]
    assert [page.payload for page in found] == [TEXT] * len(CODED)


def test_several_headers_are_one_list():
    fields = (
        ("Content-Encoding", "gzip"),
        ("transfer-encoding", "chunked"),
        ("content-encoding", "br"),
    )
    assert codings_of(fields) == ["gzip", "br", "chunked"]
