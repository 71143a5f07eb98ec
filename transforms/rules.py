"""The rules on one sample: it is kept, dropped or quarantined, with ledger entries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from filters.detector import Detector, Needs, Observe
from filters.observe import load_all
from filters.registry import evidence_columns, needing
from filters.rule import Action, Decision, Readable, Rule
from filters.verdict import Ruling, Verdict, judge, redact
from pairsieve.attempt import Failure, attempt
from pairsieve.records.ledger import entry, keyed
from pairsieve.records.outcome import Counted, Noted, Rejection
from pairsieve.records.pair import Pair
from pairsieve.records.sample import Sample

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
class PartRows:
    """The rows that came of one part: published rows, or ledger entries."""

    rows: Sequence[ShardRow]


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


@dataclass(frozen=True, slots=True)
class RulesAsked:
    """Those of the rules that are asked about a sample: all, and those that save a request."""

    all: tuple[Rule, ...]
    early: tuple[Rule, ...]

    @classmethod
    def of(cls, rules: Iterable[Rule]) -> RulesAsked:
        asked = tuple(rules)
        return cls(asked, tuple(rule for rule in asked if rule.saves_request))


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of a sample after the earlier stages.

    `missing` is the ruling on a sample without a picture. `is_spared`: costly detectors did not
    look at it, because a rule was to drop it.
    """

    missing: Ruling | None
    is_spared: bool


class Evidence(Mapping[str, Any]):
    """What is known of a sample, and what the detectors of this stage observe in it.

    They run when a rule first asks for one of their columns: most samples have no picture, and are
    dropped without them. Raises what a detector raises.
    """

    def __init__(self, known: Readable, pair: Callable[[], Pair], book: RuleBook) -> None:
        self._known = known
        self._pair = pair
        self._book = book
        self._of_pair: Readable | None = None
        self._of_evidence: Readable | None = None

    def __getitem__(self, name: str) -> Any:
        if name in self._book.evidence_columns:
            return self._observe_evidence()[name]
        if name in self._book.pair_columns:
            return self._observe_pair()[name]
        return self._known[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a column; the default where neither sample nor detectors have it."""
        # Not that of Mapping, which would take a KeyError of a detector for a missing column.
        if name in self._book.evidence_columns:
            return self._observe_evidence().get(name, default)
        if name in self._book.pair_columns:
            return self._observe_pair().get(name, default)
        return self._known.get(name, default)

    def __contains__(self, name: object) -> bool:
        return name in self._known or name in self._book.columns

    def __iter__(self) -> Iterator[str]:
        return iter({**dict.fromkeys(self._known), **self._book.columns})

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _observe_pair(self) -> Readable:
        if not self._book.observes_pairs:
            return {}  # no pair need be made
        if self._of_pair is None:
            self._of_pair = self._book.observe_pair(self._pair())
        return self._of_pair

    def _observe_evidence(self) -> Readable:
        if not self._book.observes_evidence:
            return {}
        if self._of_evidence is None:
            known = {**self._known, **self._observe_pair()}
            self._of_evidence = self._book.observe_evidence(known)
        return self._of_evidence

    def observed(self) -> dict[str, Any]:
        """The columns of all detectors of this stage."""
        return {**self._observe_pair(), **self._observe_evidence()}


@dataclass(frozen=True)
class RuleBook:
    """The rules, with their detectors loaded.

    `pair_columns` and `evidence_columns` are what the detectors add that `observe_pair` and
    `observe_evidence` run.
    """

    settings: RuleSettings
    observe_pair: Observe
    observe_evidence: Observe
    pair_columns: frozenset[str] = frozenset()
    evidence_columns: frozenset[str] = frozenset()

    @cached_property
    def observes_pairs(self) -> bool:
        """Whether a detector of this stage looks at pairs, with or without columns of its own."""
        return bool(needing(self.settings.detectors, Needs.PAIR))

    @cached_property
    def observes_evidence(self) -> bool:
        """Whether a detector looks at what all others found."""
        return bool(needing(self.settings.detectors, Needs.EVIDENCE))

    @cached_property
    def rules(self) -> RulesAsked:
        return RulesAsked.of(self.settings.rules)

    @cached_property
    def columns(self) -> dict[str, None]:
        """The columns of all detectors of this stage, each once, in a fixed order."""
        return dict.fromkeys(sorted(self.pair_columns | self.evidence_columns))

    def apply(self, sample: Sample) -> Iterator[Outcome]:
        """The kept sample, or a rejection; and a ledger entry for each decision.

        This is the definition. `transforms/judge.py` does the same for the samples of a part
        together, and its results must be the same.
        """
        yield Counted("sample", "in")
        if sample.score.precision:
            yield Noted("sample", f"{sample.score.model} in {sample.score.precision}")
        judged = self._judge_or_fail(sample)
        if isinstance(judged, Failure):
            yield self.quarantined(sample.pair.key, judged.reason)
            yield Rejection("sample", judged.reason, "quarantined")
            return
        evidence, verdict = judged
        yield from self.entries(sample.pair, verdict)
        if verdict.drop:
            yield Rejection("sample", verdict.drop.decision.reason)
            return
        yield Counted("sample", "kept")
        yield self.kept(sample, evidence, verdict)

    def kept(self, sample: Sample, evidence: Readable, verdict: Verdict) -> KeptSample:
        """A sample that no rule drops, as it is published."""
        text = redact(sample.pair.caption, verdict.spans)
        return KeptSample(sample, evidence, verdict, text, self._public_key(sample.pair, text))

    def quarantined(self, key: bytes, reason: str) -> LedgerRow:
        """The ledger entry of a sample that could not be judged."""
        ledger_key = keyed(self.settings.secret, key)
        row = entry(ledger_key, "publish", ("quarantine", 1), "quarantine", reason)
        return self._ledger_row(row, ledger_key)

    def entries(self, pair: Pair, verdict: Verdict) -> Iterator[LedgerRow]:
        """A ledger entry for each decision on a sample."""
        if not verdict.rulings:
            return  # most samples that are kept: no key need be computed
        public_key = pair.key
        if not verdict.drop:
            public_key = self._public_key(pair, redact(pair.caption, verdict.spans))
        yield from self.entries_under(public_key, verdict)

    def entries_under(self, public_key: bytes, verdict: Verdict) -> Iterator[LedgerRow]:
        """A ledger entry for each decision on the sample that has this key."""
        # Without the secret nobody can tell which decisions of the ledger are about which row.
        ledger_key = keyed(self.settings.secret, public_key)
        for ruling in verdict.rulings:
            # The ledger must not lead from an unlinked decision (an erasure) back to the row.
            published_key = b"" if ruling.decision.unlinked else ledger_key
            row = _entry(published_key, ruling, self._stage(ruling))
            yield self._ledger_row(row, ledger_key)

    def _public_key(self, pair: Pair, text: str) -> bytes:
        """Return the key under which a row with this caption is published.

        The plain key is a hash of URL and caption. It would confirm a guess at what was redacted; a
        key that depends on a secret does not.
        """
        return pair.key if text == pair.caption else keyed(self.settings.secret, pair.key)

    def _judge_or_fail(self, sample: Sample) -> tuple[dict[str, Any], Verdict] | Failure:
        """Evidence and verdict; a Failure where anything raised, here or in an earlier stage."""
        if sample.errors:
            return Failure(sample.errors[0])
        return attempt(self._judge, sample)

    def _judge(self, sample: Sample) -> tuple[dict[str, Any], Verdict]:
        known = sample.columns()
        evidence = Evidence(known, lambda: sample.pair, self)
        is_spared = bool(sample.score.spared_by)
        standing = standing_of(sample.image.status, sample.score.status, is_spared)
        verdict = self.decide(evidence, self.rules, standing)
        if verdict.drop:
            return known, verdict
        # What is published has passed every detector, whether or not a rule reads it.
        return {**known, **evidence.observed()}, verdict

    def decide(self, evidence: Readable, asked: RulesAsked, standing: Standing) -> Verdict:
        """The verdict of rules on a sample. Raises what a rule or detector raises."""
        # Rules that ran before the fetch come first: what they dropped has no picture, and its
        # reason is theirs.
        early = judge(asked.early, evidence)
        if early.drop:
            return early
        if standing.missing:
            return Verdict((*early.rulings, standing.missing))
        verdict = judge(asked.all, evidence)
        # Costly detectors looked at no picture of it, because a rule was to drop it.
        if standing.is_spared and not verdict.drop:
            raise NotLookedAt
        return verdict

    @cached_property
    def _stages(self) -> dict[str, str]:
        """Rule -> the stage that acts on its decisions."""
        stages = {stage: stage for stage in FETCH_AND_SCORE}
        for rule in self.settings.rules:
            stage = "fetch" if rule.saves_request else "publish"
            stages.setdefault(rule.name, stage)
        return stages

    def _stage(self, ruling: Ruling) -> str:
        """The stage that acted on the ruling, for the ledger."""
        return self._stages[ruling.rule]

    def _ledger_row(self, row: tuple[Any, ...], ledger_key: bytes) -> LedgerRow:
        return LedgerRow(shard_of(ledger_key, self.settings.shards), row)


def shard_of(key: bytes, shards: int) -> int:
    """The shard of a key: each shard has a range of all keys, the first one the smallest.

    Keys are hashes, so that all shards are about as large. By the statistics of a shard, readers
    see that a key is not in it: a search for keys reads the shards that hold them, and no others.
    """
    return int.from_bytes(key, "big") * shards >> 8 * len(key)


@lru_cache(1000)  # there are a few dozen statuses
def standing_of(fetch_status: str, score_status: str, is_spared: bool) -> Standing:
    """The standing of a sample, by the statuses of fetch and score."""
    return Standing(_missing_picture(fetch_status, score_status), is_spared)


def _missing_picture(fetch_status: str, score_status: str) -> Ruling | None:
    """The ruling on a sample whose picture was not fetched, or could not be scored."""
    for stage, status in zip(FETCH_AND_SCORE, (fetch_status, score_status), strict=True):
        if status != "ok":
            return Ruling(stage, 1, Decision(Action.DROP, f"{stage}_{status}"))
    return None


def _entry(key: bytes, ruling: Ruling, stage: str) -> tuple[Any, ...]:
    decision = ruling.decision
    rule = (ruling.rule, ruling.version)
    return entry(key, stage, rule, str(decision.action), decision.reason, decision.score)


def make_rule_book(settings: RuleSettings) -> RuleBook:
    """The rules with their detectors loaded: once a worker."""
    of_pairs = needing(settings.detectors, Needs.PAIR)
    of_evidence = needing(settings.detectors, Needs.EVIDENCE)
    return RuleBook(
        settings,
        load_all(of_pairs),
        load_all(of_evidence),
        frozenset(evidence_columns(of_pairs)),
        frozenset(evidence_columns(of_evidence)),
    )
