"""Byte strings that are looked for in one pass."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.images.marks import MAX_LISTED_BYTES, Marks

MARKS = (b"Exif", b"<rdf:RDF", b"TXt", b"r\0d\0f")


def plain(content: bytes) -> set[bytes]:
    return {mark for mark in MARKS if mark in content}


@given(st.lists(st.sampled_from([*MARKS, b"Exi", b"<rdf", b"r\0", b"zTX", b"\0", b"x"])))
def test_the_same_as_a_search_for_each(pieces):
    content = b"".join(pieces)
    assert Marks(MARKS).within(content) == plain(content)


@pytest.mark.parametrize("size", [0, 1, MAX_LISTED_BYTES, MAX_LISTED_BYTES + 1])
def test_files_of_any_size(size):
    filled = (b"TXt" * size)[:size]
    assert Marks(MARKS).within(filled) == plain(filled)
    assert Marks(MARKS).within(filled + b"Exif") == plain(filled + b"Exif")


@pytest.mark.parametrize("marks", [(b"zTXt", b"tEXt"), (b"tEXt", b"zTXt"), (b"rdf", b"rdf:RDF")])
def test_marks_that_overlap_are_refused(marks):
    with pytest.raises(ValueError, match="overlap"):
        Marks(marks)
