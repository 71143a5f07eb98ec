"""HTTP messages as the world writes them: each shape is read alike in every form of archive."""

from __future__ import annotations

import gzip
from dataclasses import replace
from typing import Any

import pytest

from pairsieve.records.outcome import Rejection
from pairsieve.records.page import Page
from tests.support.archives import read
from tests.support.http_shapes import HTML, PAGE, SHAPES, WITHOUT_ROBOTS, message, record


def outcome(folder: Any, content: bytes) -> tuple[Page | None, str]:
    """The page of an archive with one record, without its place, and what became of it."""
    found = read(folder, content)
    pages = [item for item in found if isinstance(item, Page)]
    reasons = [item.reason for item in found if isinstance(item, Rejection)]
    if pages:
        assert not reasons
        origin = replace(pages[0].origin, record_offset=0)
        return replace(pages[0], origin=origin), PAGE
    (reason,) = reasons
    return None, reason


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name, tmp_path):
    content, expected = SHAPES[name]
    page, found = outcome(tmp_path, gzip.compress(content))
    assert found == expected
    assert outcome(tmp_path, content) == (page, found)
    other = record(message(b"HTTP/1.1 200 OK", b"Content-Type: text/plain"))
    in_stream = read(tmp_path, gzip.compress(content + other))
    assert [item for item in in_stream if isinstance(item, Page)] == ([page] if page else [])
    if page is not None:
        robots = [value for key, value in page.headers if key.lower() == "x-robots-tag"]
        assert robots == ([] if name in WITHOUT_ROBOTS else ["noai"])
        body = page.payload.strip(b"\n")
        assert body in (HTML, b"words")


def test_as_many_shapes_as_were_observed():
    assert len(SHAPES) >= 69
