"""No record can end a run: real records with bytes changed, in every form of archive.

The suite tries some, `make soak` 10,000. A failure prints the number of its mutation.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import brotli
import lz4.frame
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pairsieve.records.outcome import Counted, Noted, Rejection, balance, tally_of
from pairsieve.records.page import LOCATION_SCHEMA, Location, Page
from pairsieve.records.table import to_table
from pairsieve.warc.codecs import zstd_library
from pairsieve.warc.reader import ReadSettings
from tests.support.archives import read_file
from tests.support.containers import EVERY, RECORDS
from tests.support.http_shapes import SHAPES
from tests.support.mutations import mutated
from tests.support.oracles import ORACLES
from tests.support.warcs import page, plain, response

zstd = zstd_library()
READ = ReadSettings(max_page_bytes=1_000_000, locate=True, check_digests=True)
BODY = b"<!doctype html><p>" + b"a red star <img src=a.jpg alt='a red star'> " * 9
CODED: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
    ("gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("br", brotli.compress),
    ("zstd", zstd.compress),
)
# Larger ones are slow to change and to read.
MAX_ORACLE_BYTES = 20_000


@lru_cache(1)
def archives() -> tuple[bytes, ...]:
    """Archives in every container, and those of other suites where they are."""
    own = [pack(RECORDS) for pack in EVERY.values()]
    folder = ORACLES / "warcs"
    paths = sorted(folder.glob("*")) if folder.exists() else []
    contents = [path.read_bytes() for path in paths if path.stat().st_size <= MAX_ORACLE_BYTES]
    return (*own, *contents)


@lru_cache(1)
def records() -> tuple[bytes, ...]:
    """Records that are not compressed: shapes of messages, codings, and those of other suites."""
    coded = [
        plain(response("https://a.example/", code(BODY), headers=[("Content-Encoding", name)]))
        for name, code in CODED
    ]
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    coded.append(plain(page(body=chunked.decode(), headers=[("Transfer-Encoding", "chunked")])))
    folder = ORACLES / "warcs"
    paths = sorted(folder.glob("*.warc")) if folder.exists() else []
    real = [path.read_bytes() for path in paths if path.stat().st_size <= MAX_ORACLE_BYTES]
    shapes = [content for content, _ in SHAPES.values() if len(content) < 5000]
    return (*shapes, *coded, *real)


PACKS = (gzip.compress, zstd.compress, lz4.frame.compress, bytes)


def check(path: Path, content: bytes, split_bytes: int | None) -> None:
    """Whatever a file holds: nothing is raised, all adds up, and what goes on can be written."""
    path.write_bytes(content)
    found = list(read_file(path, READ, split_bytes))
    tally = tally_of(item for item in found if isinstance(item, (Counted, Rejection, Noted)))
    for unit in ("file", "split", "record"):
        assert balance(tally, unit).adds_up, unit
    assert balance(tally, "record").kept == balance(tally, "page").entered
    unnamed = [reason for _, _, reason in tally if reason.startswith("error:")]
    assert not unnamed
    for item in found:
        # What cannot be read is named with its file and offset.
        if isinstance(item, Rejection) and item.outcome == "quarantined":
            assert item.where.startswith(path.name)
    to_table([item for item in found if isinstance(item, Location)], LOCATION_SCHEMA)
    assert all(item.payload for item in found if isinstance(item, Page))


def changed(number: int) -> bytes:
    """An archive with changes anywhere, or one with a record that is changed inside."""
    if number % 2:
        return mutated(archives(), number)
    return PACKS[number // 2 % len(PACKS)](mutated(records(), number))


def check_number(path: Path, number: int) -> None:
    try:
        check(path, changed(number), 2000 if number % 3 else None)
    except Exception as error:
        raise AssertionError(f"mutation {number}") from error


@given(number=st.integers(0, 1 << 40))
@example(number=0)
@settings(max_examples=150, deadline=None)
def test_mutated_records(number, tmp_path_factory):
    check_number(tmp_path_factory.getbasetemp() / "mutated.warc", number)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_ten_thousand_mutated_records(tmp_path):
    for number in range(10_000):
        check_number(tmp_path / "mutated.warc", number)


@given(content=st.binary(max_size=400), pack=st.sampled_from(PACKS))
@settings(max_examples=50, deadline=None)
def test_any_bytes_behind_a_sign(content, pack, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "any.warc"
    for sign in (
        b"WARC/1.0\r\n",
        b"filedesc://x ",
        b"PK\3\4",
        b"\x1f\x8b\x08\0",
        b"\x5d\x2a\x4d\x18",
        b"",
    ):
        check(path, sign + content, None)
        check(path, pack(sign + content), None)
