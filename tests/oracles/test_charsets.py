"""Decoders against the Encoding Standard's index tables and a literal copy of its algorithms."""

from __future__ import annotations

import gzip
import json
from functools import cache

import pytest
import webencodings
from hypothesis import given, settings
from hypothesis import strategies as st

from pairsieve.web.charsets import decode
from tests.support.oracles import ORACLES, oracle
from tests.support.whatwg_decoders import DECODERS

ENCODINGS = [encoding for group in oracle("encodings.json") for encoding in group["encodings"]]
NO_INDEX = {"UTF-8", "UTF-16BE", "UTF-16LE", "replacement", "x-user-defined"}
SINGLE = [
    e["name"] for e in ENCODINGS if e["name"].lower() not in DECODERS and e["name"] not in NO_INDEX
]


@cache
def indexes():
    return json.loads(gzip.decompress((ORACLES / "encoding_indexes.json.gz").read_bytes()))


def decoded(content, name):
    return decode(content, webencodings.lookup(name))


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda encoding: encoding["name"])
def test_labels(encoding):
    for label in encoding["labels"]:
        assert webencodings.lookup(f" {label.upper()}\n").name == encoding["name"].lower()


def test_there_are_no_other_labels():
    assert set(webencodings.LABELS) == {label for e in ENCODINGS for label in e["labels"]}


@pytest.mark.parametrize("name", SINGLE)
def test_every_byte(name):
    index = indexes()[name.lower().removesuffix("-i")]
    expected = [chr(byte) for byte in range(128)]
    expected += ["\ufffd" if point is None else chr(point) for point in index]
    assert [decoded(bytes([byte]), name) for byte in range(256)] == expected


def every_code(name):
    """All that two bytes can be; of three and four bytes, all that are no mere repetition."""
    pairs = [bytes([lead, trail]) for lead in range(0x80, 0x100) for trail in range(0x20, 0x100)]
    if name == "euc-jp":
        return pairs + [b"\x8f" + pair for pair in pairs]
    if name in ("gb18030", "gbk"):
        four = (0x81308130, 0x84318236 + 9, 0x90308130, 0xE3329A35)
        rows = [
            bytes([first, second, third, fourth])
            for first in (0x81, 0x82, 0x83, 0x84, 0x85, 0x8F, 0x90, 0x95, 0xE3, 0xE4, 0xFE)
            for second in range(0x30, 0x3A)
            for third in range(0x81, 0xFF)
            for fourth in range(0x30, 0x3A)
        ]
        return pairs + rows + [code.to_bytes(4, "big") for code in four]
    if name == "iso-2022-jp":
        sevens = [bytes([lead, trail]) for lead in range(0x20, 0x80) for trail in range(0x20, 0x80)]
        shifts = (b"\x1b$B", b"\x1b(J", b"\x1b(I", b"\x1b(B")
        return [shift + pair for shift in shifts for pair in sevens]
    return pairs


@pytest.mark.parametrize("name", DECODERS)
def test_every_code_point(name):
    codes = every_code(name)
    wrong = [c.hex() for c in codes if decoded(c, name) != DECODERS[name](c, indexes())]
    assert not wrong, (len(wrong), wrong[:20])


# bytes near the borders of leads and trails, and whole codes that Python's codecs read otherwise
PIECES = st.sampled_from(
    [bytes([value]) for value in (0, 0x0E, 0x1B, 0x21, 0x28, 0x24, 0x30, 0x39, 0x3A, 0x40, 0x41, 0x42, 0x4A, 0x49, 0x5A, 0x5B, 0x5C, 0x60, 0x61, 0x7A, 0x7B, 0x7E, 0x7F, 0x80, 0x81, 0x84, 0x8E, 0x8F, 0x90, 0xA0, 0xA1, 0xA2, 0xAD, 0xB7, 0xC6, 0xC9, 0xDF, 0xE0, 0xE3, 0xF0, 0xFC, 0xFD, 0xFE, 0xFF)]
    + [b"\x8f\xa2\xb7", b"\xa2A", b"\xa2B", b"\x81\x30\x81\x30", b"\x1b$B", b"\x1b(J", b"\x1b(I", b"\x1b(B", b"\x1b$@"]
)  # fmt: skip


@pytest.mark.parametrize("name", DECODERS)
@given(content=st.lists(PIECES, max_size=12).map(b"".join))
@settings(max_examples=300)
def test_any_bytes(name, content):
    assert decoded(content, name) == DECODERS[name](content, indexes())


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("replacement", b"<script>", "\ufffd"),
        ("replacement", b"", ""),
        ("x-user-defined", b"a\x80\xff", "a\uf780\uf7ff"),
        ("utf-16le", b"a\0\0\xd8b\0\0\xdc\0", "a\ufffdb\ufffd\ufffd"),
        ("utf-16be", b"\xd8\x3d\xde\0\xd8", "😀\ufffd"),
        ("utf-8", b"\xf0\x9f\x98a\xc0\xaf", "\ufffda\ufffd\ufffd"),
    ],
)
def test_what_has_no_index(name, content, expected):
    assert decoded(content, name) == expected
