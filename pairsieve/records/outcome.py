"""Outcomes of units of work (kept, dropped, quarantined), and how they are counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pairsieve.records.ranking import largest_first

Outcome = Literal["kept", "dropped", "quarantined"]
Unit = Literal["file", "split", "record", "page", "image", "pair", "sample"]


@dataclass(frozen=True, slots=True)
class Rejection:
    """A unit that goes no further.

    It is "dropped" if a setting or a rule says so, and "quarantined" if it could not be judged.
    `reason` is snake_case and stays the same from version to version. `where` is file@offset, never
    a URL or a caption.
    """

    unit: Unit
    reason: str
    outcome: Outcome = "dropped"
    where: str = ""
    number: int = 1


@dataclass(frozen=True, slots=True)
class Counted:
    """Units that enter a stage or are kept. They need not be elements of their own."""

    unit: Unit
    outcome: Outcome | Literal["in"]
    number: int = 1


@dataclass(frozen=True, slots=True)
class Noted:
    """An observation for the report, which decides nothing.

    `what` stays the same from version to version. It is never a URL or a caption.
    """

    unit: Unit
    what: str
    number: int = 1


NOTED = "noted"
Tally = Counter[tuple[str, str, str]]
"""(unit, outcome, reason) -> number.

The outcome may also be "in", for units that entered, or "noted", for observations. Then the reason
is empty, or what was noted.
"""


def tally_of(outcomes: Iterable[Rejection | Counted | Noted]) -> Tally:
    """Count outcomes."""
    tally: Tally = Counter()
    for outcome in outcomes:
        if isinstance(outcome, Rejection):
            tally[outcome.unit, outcome.outcome, outcome.reason] += outcome.number
        elif isinstance(outcome, Noted):
            tally[outcome.unit, NOTED, outcome.what] += outcome.number
        else:
            tally[outcome.unit, outcome.outcome, ""] += outcome.number
    return tally


@dataclass(frozen=True)
class UnitCounts:
    """The balance of one unit in one stage. `dropped` and `quarantined` are reason -> number.

    If `entered` is not kept + dropped + quarantined, something was lost.
    """

    entered: int
    kept: int
    dropped: Mapping[str, int]
    quarantined: Mapping[str, int]

    @property
    def adds_up(self) -> bool:
        dropped = sum(self.dropped.values())
        quarantined = sum(self.quarantined.values())
        return self.entered == self.kept + dropped + quarantined


def balance(tally: Tally, unit: Unit) -> UnitCounts:
    """The balance of one unit in a tally."""
    return UnitCounts(
        entered=tally[unit, "in", ""],
        kept=tally[unit, "kept", ""],
        dropped=_number_by_reason(tally, unit, "dropped"),
        quarantined=_number_by_reason(tally, unit, "quarantined"),
    )


def _number_by_reason(tally: Tally, unit: Unit, outcome: Outcome) -> dict[str, int]:
    """Reason -> number, the largest number first. Equal numbers are sorted by reason."""
    number_of = {
        reason: number
        for (counted_unit, counted_outcome, reason), number in tally.items()
        if counted_unit == unit and counted_outcome == outcome
    }
    return dict(largest_first(number_of.items()))


def notes(tally: Tally) -> dict[str, int]:
    """The observations in a tally, as "unit: what" -> number, sorted."""
    number_of = {}
    for (unit, outcome, what), number in sorted(tally.items()):
        if outcome == NOTED:
            number_of[f"{unit}: {what}"] = number
    return number_of
