"""What became of a unit of work, and how outcomes are counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["kept", "dropped", "quarantined"]
Unit = Literal["file", "split", "record", "page", "image", "pair", "sample"]


@dataclass(frozen=True, slots=True)
class Rejection:
    """A unit that goes no further. `reason` is snake_case and stable; `where` is file@offset, never
    a URL or a caption.

    A rejection is "dropped" where a setting or rule said so, "quarantined" where it could not be
    judged.
    """

    unit: Unit
    reason: str
    outcome: Outcome = "dropped"
    where: str = ""
    number: int = 1


@dataclass(frozen=True, slots=True)
class Counted:
    """Units that were seen and go on, or that are counted without being an element of their own."""

    unit: Unit
    outcome: Outcome | Literal["in"]
    number: int = 1


@dataclass(frozen=True, slots=True)
class Noted:
    """Something worth telling that decides nothing: `what` is stable, and never a URL or a
    caption.
    """

    unit: Unit
    what: str
    number: int = 1


NOTED = "noted"
Tally = Counter[tuple[str, str, str]]
"""(unit, outcome, reason) -> number; outcome may also be "in", and then the reason is empty, or
"noted".
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
    """The balance of one unit of one stage: `entered` = kept + dropped + quarantined, or something
    was lost.
    """

    entered: int
    kept: int
    dropped: Mapping[str, int]
    quarantined: Mapping[str, int]

    @property
    def adds_up(self) -> bool:
        return self.entered == self.kept + sum(self.dropped.values()) + sum(
            self.quarantined.values()
        )


def balance(tally: Tally, unit: Unit) -> UnitCounts:
    """The counts of one unit, reasons by falling number and then by name."""

    def reasons(outcome: Outcome) -> dict[str, int]:
        found = {reason: n for (u, o, reason), n in tally.items() if (u, o) == (unit, outcome)}
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    return UnitCounts(
        tally[unit, "in", ""], tally[unit, "kept", ""], reasons("dropped"), reasons("quarantined")
    )


def notes(tally: Tally) -> dict[str, int]:
    """What was noted, as "unit: what" -> number, sorted."""
    return {
        f"{unit}: {what}": n
        for (unit, outcome, what), n in sorted(tally.items())
        if outcome == NOTED
    }
