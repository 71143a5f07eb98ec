"""Nothing read is no success, and a share of what could not be read has a limit."""

from __future__ import annotations

import pytest

from pairsieve.records.outcome import Tally
from pipeline.config import InputConfig
from pipeline.orchestrate.check_inputs import TooMuchUnreadable, check_inputs

FILES = {("file", "in", ""): 10, ("file", "kept", ""): 10}
PIECES = {("split", "in", ""): 10, ("split", "kept", ""): 10}
RECORDS = {("record", "in", ""): 100, ("record", "kept", ""): 100}


def check(counts, **settings) -> None:
    tally = Tally(FILES | PIECES | RECORDS | counts)
    check_inputs(tally, InputConfig(**settings), "work/problems.json")


@pytest.mark.parametrize(
    "counts",
    [
        {},
        {("file", "quarantined", "unreadable_NotAnArchive"): 1},
        # Read up to a damaged place: it was read.
        {("split", "quarantined", "unreadable_EOFError"): 10},
        {("record", "quarantined", "damaged"): 60},
        {("record", "quarantined", "unreadable_FileNotFoundError"): 10},
    ],
)
def test_enough_was_read(counts):
    check(counts)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (
            {("file", "quarantined", "unreadable_NotAnArchive"): 2},
            r"2 of 10 files could not be read \(unreadable_NotAnArchive 2\), more than input.max_un",
        ),
        (
            {
                ("split", "quarantined", "unreadable_EOFError"): 2,
                ("split", "noted", "nothing_read"): 2,
            },
            "2 of 10 pieces of files",
        ),
        (
            {("record", "quarantined", "unreadable_FileNotFoundError"): 11},
            "11 of 100 records could not be read .* = 0.1 allows. .* work/problems.json",
        ),
    ],
)
def test_too_much_could_not_be_read(counts, message):
    with pytest.raises(TooMuchUnreadable, match=message):
        check(counts)
    check(counts, max_unreadable=0.2)


@pytest.mark.parametrize(
    ("kind", "counts"),
    [
        ("archives", {("record", "in", ""): 0}),
        ("archives", {("record", "quarantined", "damaged"): 100}),
        ("index", {("record", "quarantined", "unreadable_FileNotFoundError"): 100}),
        ("pairs", {("split", "kept", ""): 0, ("split", "quarantined", "unreadable_OSError"): 10}),
        ("pairs", {("file", "kept", ""): 0, ("split", "kept", ""): 0, ("split", "in", ""): 0}),
    ],
)
def test_nothing_read_fails_whatever_the_limit(kind, counts):
    with pytest.raises(TooMuchUnreadable, match="nothing could be read"):
        check(counts, kind=kind, max_unreadable=1)


def test_a_table_without_rows_was_read():
    check({("split", "in", ""): 0, ("split", "kept", ""): 0, ("record", "in", ""): 0}, kind="pairs")
