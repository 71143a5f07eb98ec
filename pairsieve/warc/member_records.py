"""The records of a member of an archive that is compressed record by record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pairsieve.attempt import Failure, attempt
from pairsieve.warc.members import Member
from pairsieve.warc.record import BadRecord, Record, read_record_head, record_of

# StormCrawler has written a zero behind each record: Common Crawl's news of 2018 have it.
PADDING = b"\r\n\0"
# Between two records there are two line ends (ISO 28500, 4); some writers leave out one.
SEPARATOR_BYTES = 5


def records_of(member: Member) -> Iterator[Record | BadRecord]:
    """Yield the one record of a member; all of them if it holds several.

    Each is a BadRecord if it is none, or if its length is not that of the member. Never raises.
    """
    if member.length == len(member.head) and not member.head.strip(PADDING):
        # An empty member holds nothing: the end marks of bgzip, the dictionary of zstd.
        return
    start = 0
    while True:
        parsed = attempt(lambda at: _record_at(member, at), start)
        if isinstance(parsed, Failure):
            yield BadRecord(parsed.reason, member.offset)
            return
        record, next_start = parsed
        if start and isinstance(record, Record):
            record = replace(record, is_first=False)
        yield record
        if next_start is None:
            return
        start = next_start


def first_record(member: Member) -> Record:
    """The first record of a member. Raises BadRecord."""
    record = next(records_of(member))
    if isinstance(record, BadRecord):
        raise record
    return record


def _record_at(member: Member, start: int) -> tuple[Record | BadRecord, int | None]:
    """(the record at a place in a member, where the next one begins, or None)."""
    start = _behind_padding(member, start)
    head = read_record_head(member.head, start)
    if head is None:
        return BadRecord("not_a_record", member.offset), None
    if head.length is None:
        return BadRecord("length_mismatch", member.offset), None
    end = head.block_start + head.length
    next_start = _start_of_next(member, end)
    if next_start is None and not _ends_at(member, end):
        return BadRecord("length_mismatch", member.offset), None
    return record_of(head, member.head, end, member.offset), next_start


def _ends_at(member: Member, end: int) -> bool:
    """Whether nothing but padding follows a block in its member."""
    # The bytes behind the block may not have been kept. Those that were must be padding.
    is_near = 0 <= member.length - end <= SEPARATOR_BYTES
    return is_near and not member.head[end:].strip(PADDING)


def _start_of_next(member: Member, end: int) -> int | None:
    """Where another record begins behind a block; None if none does."""
    start = _behind_padding(member, end)
    if start >= len(member.head) or read_record_head(member.head, start) is None:
        return None
    return start


def _behind_padding(member: Member, start: int) -> int:
    while member.head[start : start + 1] in (b"\r", b"\n", b"\0"):
        start += 1
    return start
