"""Applies the rules to the samples of a part together: columns first, and rows where it must be.

Rules say by columns on which samples they have anything to say (filters/batch.py). A sample on
which none has is kept without being asked about. The decisions on the others are made by the same
functions as those on a single sample (transforms/rules.py), so that the results are the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import apache_beam as beam
import numpy as np
from numpy.typing import NDArray

from filters.batch import rows_to_judge
from filters.verdict import Verdict
from pairsieve.attempt import Failure, attempt_each
from pairsieve.collector import collector_paused
from pairsieve.records.layout import LEDGER_FOLDER
from pairsieve.records.outcome import Counted, Noted, Rejection
from pairsieve.records.pair import Pair
from pairsieve.records.sample_table import SampleRow, SampleTable
from transforms.plumbing.counting import Work, counting
from transforms.plumbing.working_on import WorkingOn
from transforms.rules import (
    Evidence,
    KeptSample,
    LedgerRow,
    PartRows,
    RuleBook,
    RulesAsked,
    RuleSettings,
    ShardRow,
    make_rule_book,
    standing_of,
)

ROWS_AT_ONCE = 500
"""So few verdicts are in memory at a time: Python's garbage collector walks over all of them."""


@dataclass(frozen=True)
class KeptSamples:
    """The samples of a part that are published."""

    samples: list[KeptSample]


Passed = tuple[int, Evidence, Verdict]
"""(row, its evidence, the verdict) of a sample that no rule drops."""


@dataclass
class Judged:
    """What became of the samples of a part. Those in `passed` are kept unless a detector fails."""

    entries: list[LedgerRow] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    quarantined: Counter[str] = field(default_factory=Counter)
    passed: list[Passed] = field(default_factory=list)

    def quarantine(self, book: RuleBook, key: bytes, failure: Failure) -> None:
        """Note a sample that could not be judged."""
        self.entries.append(book.quarantined(key, failure.reason))
        self.quarantined[failure.reason] += 1


PartOutcome = KeptSamples | PartRows | Rejection | Counted | Noted


def judge_part(table: SampleTable, book: RuleBook) -> Iterator[PartOutcome]:
    """What `RuleBook.apply` yields for each sample, for all samples of a part together."""
    with WorkingOn(table.part), collector_paused():
        judged = _judge_rows(table, book)
        kept = _kept_samples(table, book, judged)
    yield Counted("sample", "in", table.rows)
    for what, number in table.models().items():
        yield Noted("sample", what, number)
    for reason, number in judged.dropped.items():
        yield Rejection("sample", reason, number=number)
    for reason, number in judged.quarantined.items():
        yield Rejection("sample", reason, "quarantined", number=number)
    if judged.entries:
        rows = [ShardRow(LEDGER_FOLDER, one.shard, one.row) for one in judged.entries]
        yield PartRows(rows)
    if kept:
        yield Counted("sample", "kept", len(kept))
        yield KeptSamples(kept)


def passing_rows(table: SampleTable, book: RuleBook) -> NDArray[np.int64]:
    """The numbers of the rows that no rule drops, and on which no detector fails."""
    with WorkingOn(table.part), collector_paused():
        passed = _judge_rows(table, book).passed
        observed = _observe_all(table, book, passed)
    rows = [
        row
        for (row, _, _), one in zip(passed, observed, strict=True)
        if not isinstance(one, Failure)
    ]
    return np.array(rows, np.int64)


def _judge_rows(table: SampleTable, book: RuleBook) -> Judged:
    """Judge each row by the rules that have something to say about it."""
    judged = Judged()
    keys, errors = table.cells["key"], table.errors
    standings = [
        standing_of(fetch_status, score_status, bool(spared_by))
        for fetch_status, score_status, spared_by in zip(
            table.cells["fetch_status"],
            table.cells["score_status"],
            table.cells["spared_by"],
            strict=True,
        )
    ]
    rules_of = _rules_by_row(table, book)

    def decide(row: int) -> tuple[Evidence, Verdict]:
        evidence = _evidence_of(row, table, book)
        return evidence, book.decide(evidence, rules_of(row), standings[row])

    # A row that an earlier detector failed on is not judged; it goes to quarantine below.
    whole = [row for row, of_row in enumerate(errors) if not of_row]
    for start in range(0, len(whole), ROWS_AT_ONCE):
        rows = whole[start : start + ROWS_AT_ONCE]
        for row, decided in zip(rows, attempt_each(decide, rows), strict=True):
            if isinstance(decided, Failure):
                judged.quarantine(book, keys[row], decided)
                continue
            evidence, verdict = decided
            drop = verdict.drop
            if drop:
                judged.entries.extend(book.entries_under(keys[row], verdict))
                judged.dropped[drop.decision.reason] += 1
            else:
                judged.passed.append((row, evidence, verdict))
    for row, of_row in enumerate(errors):
        if of_row:
            # A detector of an earlier stage failed.
            judged.quarantine(book, keys[row], Failure(of_row[0]))
    return judged


def _evidence_of(row: int, table: SampleTable, book: RuleBook) -> Evidence:
    """What is known of a row; no detector has looked at it yet."""
    return Evidence(SampleRow(table, row), partial(_pair_of, table, row), book)


def _pair_of(table: SampleTable, row: int) -> Pair:
    return table.made_of_pairs[row]


def _rules_by_row(table: SampleTable, book: RuleBook) -> Callable[[int], RulesAsked]:
    """A function from a row to the rules that may have something to say about it."""
    rules = book.settings.rules
    asked = np.ones((table.rows, len(rules)), np.bool_)
    for number, rule in enumerate(rules):
        asked[:, number] = rows_to_judge(rule, table.columns, table.rows)
    # Most rows have the same few rules, so that these are put together once.
    patterns: NDArray[np.bool_]
    patterns, pattern_of = np.unique(asked, axis=0, return_inverse=True)
    by_pattern = []
    for pattern in patterns:
        chosen = [rule for rule, is_asked in zip(rules, pattern, strict=True) if is_asked]
        by_pattern.append(RulesAsked.of(chosen))
    # Some versions of NumPy give the numbers of rows as a column.
    numbers = pattern_of.reshape(-1).tolist()
    return lambda row: by_pattern[numbers[row]]


def _kept_samples(table: SampleTable, book: RuleBook, judged: Judged) -> list[KeptSample]:
    """The samples that passed every rule and every detector, with their ledger entries."""
    kept = []
    samples = table.take([row for row, _, _ in judged.passed]).samples()
    all_observed = _observe_all(table, book, judged.passed)
    for sample, (_, _, verdict), observed in zip(samples, judged.passed, all_observed, strict=True):
        if isinstance(observed, Failure):
            judged.quarantine(book, sample.pair.key, observed)
            continue
        judged.entries.extend(book.entries(sample.pair, verdict))
        kept.append(book.kept(sample, {**sample.columns(), **observed}, verdict))
    return kept


def _observe_all(
    table: SampleTable, book: RuleBook, all_passed: list[Passed]
) -> list[dict[str, Any] | Failure]:
    """What the detectors of this stage observe in samples that no rule drops.

    What is published has passed every detector, whether or not a rule reads it.
    """

    def observe(passed: Passed) -> dict[str, Any]:
        _, evidence, _ = passed
        return evidence.observed()

    def observe_again(passed: Passed) -> dict[str, Any]:
        # An evidence keeps what its detectors gave, also when one has hidden a refused connection.
        row, _, _ = passed
        return _evidence_of(row, table, book).observed()

    return attempt_each(observe, all_passed, observe_again)


def _make_work(settings: RuleSettings) -> Work:
    return partial(judge_part, book=make_rule_book(settings))


@dataclass
class ApplyRules(beam.PTransform):  # type: ignore[misc]
    """SampleTable -> KeptSamples, and ledger entries as PartRows; counts behind them.

    `progress_dir`: the folder in which workers say how far they are.
    """

    settings: RuleSettings
    progress_dir: str = ""

    def expand(self, tables: beam.PCollection) -> beam.PCollection:
        decide = counting(partial(_make_work, self.settings), progress_dir=self.progress_dir)
        return tables | "Decide" >> decide
