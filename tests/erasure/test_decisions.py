"""Decisions on requests: all or none, and no more rows than were agreed to."""

from __future__ import annotations

import pytest

from pairsieve.erasure.decisions import RowCount, RowCounts, TooManyRows, prepare_approval
from pairsieve.erasure.queue import NoSuchRequest, ask, decide, look_up

ROWS_OF = {"a.example": {1, 2, 3}, "b.example": {3, 4}, "c.example": set()}


@pytest.fixture
def queue(tmp_path):
    return str(tmp_path)


def count_rows(groups) -> RowCounts:
    rows = [
        set().union(*(ROWS_OF[value] for one in group for value in one.values)) for group in groups
    ]
    counts = [RowCount(len(of_group), bool(of_group)) for of_group in rows]
    return RowCounts(counts, RowCount(len(set().union(*rows)), 1))


def asked(queue, *domains) -> list[str]:
    return [ask(queue, [{"domain": domain}]) for domain in domains]


def states(queue, receipts) -> set[str]:
    return {look_up(queue, receipt).state for receipt in receipts}


def test_nothing_is_changed_before_it_is_made(queue):
    receipts = asked(queue, "a.example", "b.example")
    approval = prepare_approval(queue, [*receipts, *receipts], count_rows)
    assert [count.rows for count in approval.counts] == [3, 2]
    assert approval.together.rows == 4, "one row is named twice"
    assert states(queue, receipts) == {"received"}
    with pytest.raises(TooManyRows, match=r"4 row\(s\).*more than 3.*--most-rows 4"):
        approval.make(3)
    assert states(queue, receipts) == {"received"}
    approval.make(4, "as asked")
    assert states(queue, receipts) == {"approved"}
    assert look_up(queue, receipts[0]).reason == "as asked"


def test_what_was_approved_before_counts(queue):
    first, second = asked(queue, "a.example", "b.example")
    prepare_approval(queue, [first], count_rows).make(3)
    approval = prepare_approval(queue, [second], count_rows)
    assert [count.rows for count in approval.counts] == [2]
    with pytest.raises(TooManyRows):
        approval.make(3)
    approval.make(None)
    assert states(queue, [first, second]) == {"approved"}


def test_what_was_applied_is_not_approved(queue):
    first, second = asked(queue, "a.example", "c.example")
    decide(queue, first, "applied", 2)
    with pytest.raises(NoSuchRequest, match="applied already"):
        prepare_approval(queue, [first, second], count_rows)
    with pytest.raises(NoSuchRequest):
        prepare_approval(queue, ["nosuch"], count_rows)
