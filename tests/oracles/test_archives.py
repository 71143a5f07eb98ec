"""Archives of other people's test suites: what others read is the least to read, and all adds up."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from pathlib import Path

import pytest
from fastwarc.warc import ArchiveIterator as FastIterator
from warcio.archiveiterator import ArchiveIterator

from pairsieve.records.outcome import Counted, Noted, Rejection, balance, tally_of
from pairsieve.records.page import Page
from pairsieve.warc.reader import INSIDE_RECORD, ReadSettings
from tests.support.archives import read_file
from tests.support.oracles import ORACLES

READ = ReadSettings(max_page_bytes=10_000_000, locate=True)
FOLDER = ORACLES / "warcs"
ARCHIVES = sorted(path.name for path in FOLDER.glob("*")) if FOLDER.exists() else []
# Behind a record whose length is wrong, both say that they read a record where none is.
NO_RECORDS = ("invalid-warcfile-fields-empty", "invalid-warcfile-fields-invalidformat")

pytestmark = pytest.mark.skipif(
    not ARCHIVES, reason="the public suites' archives are not here: warcs"
)


def by_warcio(path: Path) -> tuple[int, bool]:
    """How many records warcio reads, and whether it comes to the end."""
    number, at_end = 0, False
    quiet = contextlib.redirect_stderr(io.StringIO())
    with path.open("rb") as stream, quiet, contextlib.suppress(Exception):
        for record in ArchiveIterator(stream, arc2warc=True):
            number += 1
            record.raw_stream.read()
        at_end = True
    return number, at_end


def by_fastwarc(path: Path) -> int:
    number = 0
    with contextlib.suppress(Exception):
        for _ in FastIterator(str(path), parse_http=False):
            number += 1
    return number


def found_in(path: Path, split_bytes: int | None = None) -> list[object]:
    found = list(read_file(path, READ, split_bytes))
    tally = tally_of(item for item in found if isinstance(item, (Counted, Rejection, Noted)))
    for unit in ("file", "split", "record"):
        assert balance(tally, unit).adds_up
    # Every record is a page, or says why it is none.
    assert balance(tally, "record").kept == balance(tally, "page").entered
    assert not [reason for _, _, reason in tally if reason.startswith("error:")]
    return found


def records_in(found: list[object]) -> int:
    entered = [item for item in found if isinstance(item, Counted) and item.outcome == "in"]
    return sum(item.number for item in entered if item.unit == "record")


@pytest.mark.parametrize("name", ARCHIVES)
def test_what_others_read_is_read(name):
    path = FOLDER / name
    ours = records_in(found_in(path))
    number, at_end = by_warcio(path)
    if at_end:
        assert ours == number
    elif not any(part in name for part in NO_RECORDS):
        assert ours >= max(number, by_fastwarc(path))


def what_was_read(found: list[object]) -> Counter[str]:
    """Everything but how the file was split."""
    counted = (Counted, Rejection, Noted)
    return Counter(
        repr(item)
        for item in found
        if not (isinstance(item, counted) and item.unit in ("file", "split"))
    )


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", ARCHIVES)
def test_splits_of_2_kb_give_the_same(name):
    path = FOLDER / name
    whole, split = found_in(path), found_in(path, 2000)
    inside = any(isinstance(item, Rejection) and item.reason == INSIDE_RECORD for item in split)
    assert inside or what_was_read(split) == what_was_read(whole)


def test_pages_of_one_crawl_are_the_same_in_every_container():
    """The archive of resiliparse that its suite has in three forms."""
    stem = "chatnoir-eu_chatnoir-resiliparse__warcfile.warc"
    forms = [FOLDER / f"{stem}{suffix}" for suffix in ("", ".gz", ".lz4")]
    if not all(form.exists() for form in forms):
        pytest.skip("the public suites' archives are not all here: warcfile")
    pages = []
    for form in forms:
        found = found_in(form)
        pages.append([(p.url, p.headers, p.payload) for p in found if isinstance(p, Page)])
    assert pages[0] == pages[1] == pages[2]
    assert len(pages[0]) == 16
