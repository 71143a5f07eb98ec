"""Whether enough of the inputs could be read: nothing read is no success."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pairsieve.records.outcome import NOTED, Tally, balance
from pairsieve.warc.reader import NOTHING_READ
from pipeline.config import InputConfig

# How reasons begin whose cause is outside a record: storage, or no archive at all.
UNREADABLE = "unreadable_"


class TooMuchUnreadable(RuntimeError):
    """Too much of the inputs could not be read, so nothing is published."""


class _Share(NamedTuple):
    """How many of some inputs could not be read, and why."""

    what: str
    total: int
    unreadable: int
    reasons: Mapping[str, int]


def check_inputs(tally: Tally, settings: InputConfig, problems_path: str) -> None:
    """Raise TooMuchUnreadable for a run that could read too little, or nothing at all.

    `problems_path` is the list of problems, which the message names.
    """
    shares = list(_shares(tally, settings))
    advice = (
        f"Nothing was published. {problems_path} names them. Check input.files and input.base, "
        "and repair or leave out what cannot be read"
    )
    if _nothing_was_read(tally, settings):
        reasons = [f"{share.what}: {_listed(share)}" for share in shares if share.unreadable]
        found = "; ".join(reasons) or "the inputs hold no record"
        raise TooMuchUnreadable(f"extract: nothing could be read ({found}). {advice}")
    for share in shares:
        if share.unreadable > settings.max_unreadable * share.total:
            raise TooMuchUnreadable(
                f"extract: {share.unreadable} of {share.total} {share.what} could not be read "
                f"({_listed(share)}), more than input.max_unreadable = "
                f"{settings.max_unreadable:g} allows. {advice}, or raise the limit"
            )


def _shares(tally: Tally, settings: InputConfig) -> Iterator[_Share]:
    files = balance(tally, "file")
    yield _Share("files", files.entered, sum(files.quarantined.values()), files.quarantined)
    pieces = balance(tally, "split")
    # An archive that could be read up to some place was read; a table of links was not.
    unread_pieces = tally["split", NOTED, NOTHING_READ]
    if settings.kind == "pairs":
        unread_pieces = sum(pieces.quarantined.values())
    yield _Share("pieces of files", pieces.entered, unread_pieces, pieces.quarantined)
    records = balance(tally, "record")
    outside = {
        reason: number
        for reason, number in records.quarantined.items()
        if reason.startswith(UNREADABLE)
    }
    yield _Share("records", records.entered, sum(outside.values()), outside)


def _nothing_was_read(tally: Tally, settings: InputConfig) -> bool:
    if settings.kind == "pairs":
        pieces = balance(tally, "split")
        # A table without rows was read, and has no piece.
        return not pieces.kept and bool(pieces.entered or not tally["file", "kept", ""])
    records = balance(tally, "record")
    # Also where there was no record at all.
    return records.entered == sum(records.quarantined.values())


def _listed(share: _Share) -> str:
    return ", ".join(f"{reason} {number}" for reason, number in share.reasons.items())
