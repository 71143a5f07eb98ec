"""The results of a dataset's rechecks, as numbers: what card and report show of them.

`recheck.json` in a dataset has one entry for each recheck. It names no link.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta

from pairsieve.recheck.links import OUTCOMES, SeenLink

RECHECK = "recheck.json"
KEPT_RESULTS = 60
"""So many results stay: five years of a recheck every month."""

_YEAR = timedelta(days=365)
AGES: tuple[tuple[str, timedelta], ...] = (
    ("under 3 months", timedelta(days=91)),
    ("3 to 12 months", _YEAR),
    ("1 to 2 years", 2 * _YEAR),
    ("2 to 5 years", 5 * _YEAR),
)
"""Classes of the time since the picture was fetched, and where each ends."""
OLDEST, NO_AGE = "over 5 years", "not known"
AGE_NAMES = (*(name for name, _ in AGES), OLDEST, NO_AGE)


class BadRecheck(ValueError):
    """A text is no `recheck.json`."""


@dataclass(frozen=True)
class RecheckResult:
    """The counts of one recheck: links by outcome, and rows taken out.

    `round` counts the rechecks of a dataset. `day` is when it began (ISO 8601), `version` is the
    dataset's after it. `links` were published; `by_age` is age -> outcome -> links that had their
    turn; `postponed` had it too, but their host could not be asked for so many. `taken_out` is
    reason -> rows. `crawled`: pages of a newer crawl that refuse are the source, and nothing was
    asked.
    """

    round: int
    day: str
    version: int
    links: int
    by_age: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    postponed: int = 0
    taken_out: Mapping[str, int] = field(default_factory=dict)
    crawled: bool = False

    def number_of(self, *outcomes: str) -> int:
        """How many links have one of these outcomes."""
        return sum(
            number
            for counted in self.by_age.values()
            for outcome, number in counted.items()
            if outcome in outcomes
        )

    @property
    def asked(self) -> int:
        """How many links were asked."""
        return self.number_of(*OUTCOMES) - self.number_of("not_asked")

    def sentences(self) -> list[str]:
        """The result in words."""
        rows = _counted(self.taken_out) or "none"
        if self.crawled:
            return [f"On {self.day} pages were looked up in a newer crawl; rows taken out: {rows}."]
        dead = self.number_of("gone", "unreachable")
        asked = (
            f"On {self.day}, {self.asked:,} of {self.links:,} links were asked again; "
            f"{dead:,} of them ({_percent(dead, self.asked)}) are dead: they served no picture, or "
            "did not answer."
        )
        words = [asked, f"Rows taken out: {rows}."]
        left = self.postponed + self.number_of("not_asked")
        if left:
            words.append(
                f"{left:,} more had their turn and were not asked: the limits of their hosts, or "
                "the time, did not allow it."
            )
        return words

    def table(self) -> list[tuple[str, ...]]:
        """One row for each age that has links, in the order of HEAD."""
        rows = []
        for name in AGE_NAMES:
            counted = Counter(self.by_age.get(name, {}))
            asked = counted.total() - counted["not_asked"]
            if asked:
                dead = counted["gone"] + counted["unreachable"]
                numbers = [f"{counted[outcome]:,}" for outcome in OUTCOMES[:-1]]
                rows.append((name, f"{asked:,}", *numbers, _percent(dead, asked)))
        return rows


HEAD = ("age", "asked", *OUTCOMES[:-1], "dead")
NUMERIC = tuple(range(1, len(HEAD)))
"""The columns of numbers in HEAD, from 0."""


def _counted(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in numbers.items() if number)


def _percent(number: int, of: int) -> str:
    return f"{100 * number / of:.1f} %" if of else "0 %"


def age_of(fetched_at: str, at: str) -> str:
    """The class of the time from when a picture was fetched to a recheck, both in ISO 8601."""
    try:
        age = _time(at) - _time(fetched_at)
    except ValueError:
        return NO_AGE
    for name, end in AGES:
        if age < end:
            return name
    return OLDEST


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def count_by_age(seen: Iterable[SeenLink], at: str) -> Counter[tuple[str, str]]:
    """(age, outcome) -> links."""
    return Counter((age_of(link.fetched_at, at), link.outcome) for link in seen)


def by_age(counted: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    """Age -> outcome -> links, in fixed order."""
    table: dict[str, dict[str, int]] = {}
    for age in AGE_NAMES:
        links_by_outcome: dict[str, int] = {}
        for outcome in OUTCOMES:
            links = counted.get((age, outcome), 0)
            if links:
                links_by_outcome[outcome] = links
        if links_by_outcome:
            table[age] = links_by_outcome
    return table


def recheck_text(results: Sequence[RecheckResult]) -> str:
    """The content of `recheck.json`: the latest results, the oldest first."""
    entries = [asdict(result) for result in results[-KEPT_RESULTS:]]
    return json.dumps({"rechecks": entries}, indent=1) + "\n"


def parse_recheck(text: str) -> list[RecheckResult]:
    """Read the content of a `recheck.json`. Raises BadRecheck."""
    from pydantic import TypeAdapter, ValidationError

    try:
        entries = json.loads(text)["rechecks"]
        return TypeAdapter(list[RecheckResult]).validate_python(entries)
    except (ValueError, TypeError, KeyError, ValidationError):
        raise BadRecheck("it is no list of rechecks") from None
