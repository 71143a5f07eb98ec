"""The result of an audit: counts by stratum, and the sentences that card and report show of it.

It holds no row and no caption. `audit.json` in a dataset has one result for each question.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from math import ceil, floor, log10
from typing import Any

from pairsieve.audit.interval import (
    CONFIDENCE,
    Labelled,
    at_most,
    clopper_pearson,
    horvitz_thompson,
    missed_of_all,
)
from pairsieve.audit.questions import QUESTIONS

AUDIT = "audit.json"
SIGNIFICANT_DIGITS = 2


class BadAudit(ValueError):
    """A text is no `audit.json`."""


@dataclass(frozen=True)
class AuditResult:
    """The labels of one sample. `version` is the dataset's when the sample was drawn.

    `published` are strata of published rows, `kept_out` those of rows that were not published, or
    in a subset of their own.
    """

    question: str
    version: int
    seed: int
    published: tuple[Labelled, ...]
    kept_out: tuple[Labelled, ...]

    @property
    def strata(self) -> tuple[Labelled, ...]:
        return (*self.published, *self.kept_out)

    @property
    def drawn(self) -> int:
        return sum(stratum.drawn for stratum in self.strata)

    @property
    def labelled(self) -> int:
        return sum(stratum.labelled for stratum in self.strata)

    @property
    def rows(self) -> int:
        """The published rows that the bound is about."""
        return sum(stratum.rows for stratum in self.published)

    @cached_property
    def most(self) -> float | None:
        """The highest share of published rows that the rules missed; None without enough labels."""
        return at_most(self.published)

    @cached_property
    def most_of_all(self) -> float | None:
        """The highest share of all that the question is about; None without enough labels."""
        return missed_of_all(self.published, self.kept_out)

    def sentences(self) -> list[str]:
        """The result in words, the bound first."""
        missed = QUESTIONS[self.question].missed
        confidence = f"{CONFIDENCE:.0%}".replace("%", " %")
        labels = f"{self.labelled:,} of {self.drawn:,} drawn rows are labelled"
        if self.most is None:
            empty = [s.name for s in self.published if s.rows and not s.labelled]
            where = f": none in {', '.join(empty)}" if empty else ""
            missing = f"There are not enough labels{where}; {labels}."
            return [f"{missed.capitalize()} that we missed: not known yet. {missing}"]
        most = f"at most {percent_up(self.most)} of the published rows ({confidence})"
        sentences = [f"{missed.capitalize()} that we missed: {most}."]
        estimate = horvitz_thompson(self.published)
        if estimate is not None:
            sentences.append(
                f"The estimate is {percent_near(estimate.share)}, with a standard error of "
                f"{percent_near(estimate.standard_error)}."
            )
        if self.most_of_all is not None:
            sentences.append(
                f"Of all {missed} among the candidates, at most "
                f"{percent_up(self.most_of_all)} were published ({confidence})."
            )
        sentences.append(
            f"A person saw caption and picture of each row, without what the rules decided; "
            f'{labels} (version {self.version}, seed {self.seed}). "Cannot tell" counts as missed.'
        )
        return sentences

    def table(self) -> list[tuple[str, ...]]:
        """One row for each stratum that has rows, in the order of HEAD."""
        return [(place, *_cells(stratum)) for place, stratum in self._placed()]

    def _placed(self) -> Iterator[tuple[str, Labelled]]:
        """The strata that have rows, each with whether it was published."""
        for place, strata in (("published", self.published), ("kept out", self.kept_out)):
            for stratum in strata:
                if stratum.rows:
                    yield place, stratum

    def as_json(self) -> dict[str, Any]:
        """The entry in `audit.json`: the counts, and what follows from them."""
        estimate = horvitz_thompson(self.published)
        return {
            **asdict(self),
            "asked": QUESTIONS[self.question].asked,
            "confidence": CONFIDENCE,
            "rows": self.rows,
            "labelled": self.labelled,
            "estimate": estimate and asdict(estimate),
            "missed_at_most": self.most,
            "missed_of_all_at_most": self.most_of_all,
            "intervals": {
                f"{place}, {stratum.name}": asdict(clopper_pearson(stratum))
                for place, stratum in self._placed()
            },
        }


HEAD = (
    "place", "stratum", "rows", "labelled", "yes", "cannot tell", "share of yes", "95 % interval",
)  # fmt: skip
NUMERIC = (2, 3, 4, 5, 6, 7)
"""The columns of numbers in HEAD, from 0."""


def _cells(stratum: Labelled) -> tuple[str, ...]:
    interval = clopper_pearson(stratum)
    known = bool(stratum.labelled)
    return (
        stratum.name,
        f"{stratum.rows:,}",
        f"{stratum.labelled:,}",
        f"{stratum.yes:,}",
        f"{stratum.unsure:,}",
        percent_near(stratum.share) if known else "",
        f"{percent_near(interval.low)} to {percent_up(interval.high)}" if known else "",
    )


def percent_up(share: float) -> str:
    """A share in percent with two significant digits, rounded up: a bound must stay one."""
    return _percent(share, ceil)


def percent_near(share: float) -> str:
    """A share in percent with two significant digits."""
    return _percent(share, round)


def _percent(share: float, to_whole: Any) -> str:
    if share <= 0:
        return "0 %"
    percent = 100 * share
    digits = SIGNIFICANT_DIGITS - 1 - floor(log10(percent))
    scale = 10.0**digits
    # The small term keeps what is exact, such as 0.3, from being rounded up for its last bit.
    rounded = to_whole(percent * scale - 1e-9) / scale
    return f"{min(rounded, 100.0):.{max(digits, 0)}f} %"


def audit_text(results: Iterable[AuditResult]) -> str:
    """The content of `audit.json`, sorted by question."""
    entries = [result.as_json() for result in sorted(results, key=lambda result: result.question)]
    return json.dumps({"audits": entries}, indent=2) + "\n"


def parse_audit(text: str) -> list[AuditResult]:
    """Read the content of an `audit.json`. Raises BadAudit.

    Bounds are computed anew from the counts: they are what was labelled.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        document = json.loads(text)
        entries = document["audits"]
        results = TypeAdapter(list[AuditResult]).validate_python(entries)
    except (ValueError, TypeError, KeyError, ValidationError):
        raise BadAudit("it is no list of audits") from None
    for result in results:
        if result.question not in QUESTIONS or not all(map(_is_possible, result.strata)):
            raise BadAudit("it has a question or numbers that no audit has")
    return results


def _is_possible(stratum: Labelled) -> bool:
    numbers = (stratum.yes, stratum.unsure, stratum.rows)
    adds_up = stratum.yes + stratum.unsure <= stratum.labelled <= stratum.drawn <= stratum.rows
    return min(numbers) >= 0 and adds_up


def count_labels(
    ids_of: Mapping[str, Sequence[str]], rows_of: Mapping[str, int], labels: Mapping[str, str]
) -> tuple[Labelled, ...]:
    """The counts of each stratum, from the ids of its drawn rows and the labels by id."""
    counted = []
    for name, rows in rows_of.items():
        given = [labels[row_id] for row_id in ids_of.get(name, ()) if row_id in labels]
        drawn = len(ids_of.get(name, ()))
        yes, unsure = given.count("yes"), given.count("unsure")
        counted.append(Labelled(name, rows, drawn, len(given), yes, unsure))
    return tuple(counted)
