"""Apply the rules to samples: each sample is kept, dropped or quarantined, with ledger entries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import apache_beam as beam

from filters.detector import Detector, Needs, Observe
from filters.observe import load_all
from filters.registry import needing
from filters.rule import Action, Decision, Rule
from filters.verdict import Ruling, Verdict, judge, redact
from pairsieve.attempt import Failure, attempt
from pairsieve.records.ledger import entry, keyed
from pairsieve.records.outcome import Counted, Noted, Rejection
from pairsieve.records.sample import Sample
from transforms.plumbing.route import COUNTS, Counts, Work, routed

LEDGER = "ledger"
"""The side output of ledger entries."""

FETCH_AND_SCORE = ("fetch", "score")
"""Stages that drop a sample without a rule: they have no picture, or could not score it."""


class NotLookedAt(ValueError):
    """A sample was spared costly detectors, and no rule drops it: it goes to quarantine."""


@dataclass(frozen=True)
class RuleSettings:
    """The rules in their order, and the detectors that run in publish.

    `detectors` are those that need the pair alone, or what all others found. `secret` makes the
    keys of the ledger. `shards` is the number of shards of each folder.
    """

    rules: Sequence[Rule]
    detectors: Sequence[Detector]
    secret: bytes = field(repr=False)
    shards: int


@dataclass(frozen=True, slots=True)
class ShardRow:
    """A row for one shard of a folder below the output directory."""

    folder: str
    shard: int
    row: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A ledger entry for one shard of the ledger."""

    shard: int
    row: tuple[Any, ...]


@dataclass(frozen=True)
class KeptSample:
    """A sample that is published: its caption without personal data, and its published key."""

    sample: Sample
    evidence: Mapping[str, Any]
    verdict: Verdict
    text: str
    public_key: bytes


Outcome = KeptSample | LedgerRow | Rejection | Counted | Noted


@dataclass(frozen=True)
class RuleBook:
    """The rules, with their detectors loaded."""

    settings: RuleSettings
    observe_pair: Observe
    observe_evidence: Observe

    def apply(self, sample: Sample) -> Iterator[Outcome]:
        """The kept sample, or a rejection; and a ledger entry for each decision."""
        yield Counted("sample", "in")
        if sample.score.precision:
            yield Noted("sample", f"{sample.score.model} in {sample.score.precision}")
        judged = self._judge_or_fail(sample)
        if isinstance(judged, Failure):
            ledger_key = keyed(self.settings.secret, sample.pair.key)
            row = entry(ledger_key, "publish", ("quarantine", 1), "quarantine", judged.reason)
            yield self._ledger_row(row, ledger_key)
            yield Rejection("sample", judged.reason, "quarantined")
            return
        evidence, verdict = judged
        text = redact(sample.pair.caption, verdict.spans)
        public_key = sample.pair.key if verdict.drop else self._public_key(sample, text)
        # Without the secret nobody can tell which decisions of the ledger are about which row.
        ledger_key = keyed(self.settings.secret, public_key)
        for ruling in verdict.rulings:
            # The ledger must not lead from an unlinked decision (an erasure) back to the row.
            published_key = b"" if ruling.decision.unlinked else ledger_key
            row = _entry(published_key, ruling, self._stage(ruling))
            yield self._ledger_row(row, ledger_key)
        if verdict.drop:
            yield Rejection("sample", verdict.drop.decision.reason)
            return
        yield Counted("sample", "kept")
        yield KeptSample(sample, evidence, verdict, text, public_key)

    def _public_key(self, sample: Sample, text: str) -> bytes:
        """Return the key under which a row with this caption is published.

        The plain key is a hash of URL and caption. It would confirm a guess at what was redacted; a
        key that depends on a secret does not.
        """
        key = sample.pair.key
        return key if text == sample.pair.caption else keyed(self.settings.secret, key)

    def _judge_or_fail(self, sample: Sample) -> tuple[dict[str, Any], Verdict] | Failure:
        """Evidence and verdict; a Failure where anything raised, here or in an earlier stage."""
        if sample.errors:
            return Failure(sample.errors[0])
        return attempt(self._judge, sample)

    def _judge(self, sample: Sample) -> tuple[dict[str, Any], Verdict]:
        known = {**sample.columns(), **self.observe_pair(sample.pair)}
        evidence = {**known, **self.observe_evidence(known)}
        # Rules that ran before the fetch come first: what they dropped has no picture, and its
        # reason is theirs.
        early = judge([rule for rule in self.settings.rules if rule.saves_request], evidence)
        if early.drop:
            return evidence, early
        missing = _missing_picture(sample)
        if missing:
            return evidence, Verdict((*early.rulings, missing))
        verdict = judge(self.settings.rules, evidence)
        # Costly detectors looked at no picture of it, because a rule was to drop it.
        if sample.score.spared_by and not verdict.drop:
            raise NotLookedAt
        return evidence, verdict

    def _stage(self, ruling: Ruling) -> str:
        """The stage that acted on the ruling, for the ledger."""
        if ruling.rule in FETCH_AND_SCORE:
            return ruling.rule
        for rule in self.settings.rules:
            if rule.name == ruling.rule and rule.saves_request:
                return "fetch"
        return "publish"

    def _ledger_row(self, row: tuple[Any, ...], ledger_key: bytes) -> LedgerRow:
        return LedgerRow(shard_of(ledger_key, self.settings.shards), row)


def shard_of(key: bytes, shards: int) -> int:
    """The shard of a key: keys are hashes, so that all shards are about as large."""
    return int.from_bytes(key, "big") % shards


def _missing_picture(sample: Sample) -> Ruling | None:
    """The ruling on a sample whose picture was not fetched, or could not be scored."""
    for stage, status in (("fetch", sample.image.status), ("score", sample.score.status)):
        if status != "ok":
            return Ruling(stage, 1, Decision(Action.DROP, f"{stage}_{status}"))
    return None


def _entry(key: bytes, ruling: Ruling, stage: str) -> tuple[Any, ...]:
    decision = ruling.decision
    rule = (ruling.rule, ruling.version)
    return entry(key, stage, rule, str(decision.action), decision.reason, decision.score)


def make_rule_book(settings: RuleSettings) -> RuleBook:
    """The rules with their detectors loaded: once a worker."""
    observe_pair = load_all(needing(settings.detectors, Needs.PAIR))
    observe_evidence = load_all(needing(settings.detectors, Needs.EVIDENCE))
    return RuleBook(settings, observe_pair, observe_evidence)


def _make_work(settings: RuleSettings) -> Work:
    return make_rule_book(settings).apply


@dataclass
class ApplyRules(beam.PTransform):  # type: ignore[misc]
    """Samples -> KeptSample; side outputs "ledger" (LedgerRow) and "counts".

    `progress_dir`: the folder in which workers say how far they are.
    """

    settings: RuleSettings
    progress_dir: str = ""

    def expand(self, samples: beam.PCollection) -> beam.DoOutputsTuple:
        decide = routed(
            partial(_make_work, self.settings),
            outputs={LedgerRow: LEDGER, Counts: COUNTS},
            progress_dir=self.progress_dir,
        )
        return samples | "Decide" >> decide
