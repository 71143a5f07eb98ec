"""Samples to published rows and ledger entries: the rules decide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import apache_beam as beam
import numpy as np

from filters.detector import Detector, Needs, Observe
from filters.observe import load_all
from filters.registry import needing
from filters.rule import Action, Decision, Rule
from filters.verdict import Ruling, Verdict, judge, redact
from pairsieve.attempt import Failure, attempt
from pairsieve.records.choices import Embeddings
from pairsieve.records.layout import EMBEDDINGS_FOLDER, LEDGER_FOLDER
from pairsieve.records.ledger import entry, keyed
from pairsieve.records.outcome import Counted, Noted, Rejection
from pairsieve.records.pair import PAIR_SCHEMA, Pair
from pairsieve.records.row import row_of
from pairsieve.records.sample import IMAGE_SCHEMA, SCORE_SCHEMA, Image, Sample, Score
from pairsieve.records.table import from_table
from pairsieve.storage import files, parts
from transforms.plumbing.route import Work, routed


@dataclass(frozen=True)
class JudgeSettings:
    """The rules in order, the detectors that need a pair alone or what others found, and the secret
    of the ledger's keys.
    """

    rules: Sequence[Rule]
    detectors: Sequence[Detector]
    secret: bytes = field(repr=False)
    shards: int
    embeddings: Embeddings = "none"


@dataclass(frozen=True)
class SampleFolders:
    """The three row-aligned parts of a sample."""

    pairs: str
    images: str
    scores: str


@dataclass(frozen=True, slots=True)
class Shelved:
    """A row for a shard of a folder below the output directory."""

    folder: str
    shard: int
    row: tuple[Any, ...]


def read_samples(name: str, folders: SampleFolders) -> Iterator[Sample]:
    """The samples of one part."""
    pairs = from_table(parts.read_part(folders.pairs, name), Pair, PAIR_SCHEMA)
    images = from_table(parts.read_part(folders.images, name), Image, IMAGE_SCHEMA)
    scores = from_table(parts.read_part(folders.scores, name), Score, SCORE_SCHEMA)
    yield from map(Sample, pairs, images, scores)


@dataclass(frozen=True)
class Judge:
    """Settings with their detectors loaded."""

    settings: JudgeSettings
    observe_pair: Observe
    observe_evidence: Observe

    def sample(self, sample: Sample) -> Iterator[Shelved | Rejection | Counted | Noted]:
        """A kept row or a rejection, with a ledger entry for each decision.

        A sample on which anything raised, here or in an earlier stage, is quarantined.
        """
        yield Counted("sample", "in")
        if sample.score.precision:
            yield Noted("sample", f"{sample.score.model} in {sample.score.precision}")
        judged = Failure(sample.errors[0]) if sample.errors else attempt(self._judged, sample)
        identity = keyed(self.settings.secret, sample.pair.key)
        if isinstance(judged, Failure):
            yield self._ledger(
                entry(identity, "publish", ("quarantine", 1), "quarantine", judged.reason), identity
            )
            yield Rejection("sample", judged.reason, "quarantined")
            return
        evidence, verdict = judged
        for ruling in verdict.rulings:
            yield self._ledger(
                _entry(b"" if ruling.decision.unlinked else identity, ruling, self._stage(ruling)),
                identity,
            )
        if verdict.drop:
            yield Rejection("sample", verdict.drop.decision.reason)
            return
        yield from self._rows(sample, evidence, verdict, identity)
        yield Counted("sample", "kept")

    def _judged(self, sample: Sample) -> tuple[dict[str, Any], Verdict]:
        known = {**sample.columns(), **self.observe_pair(sample.pair)}
        evidence = {**known, **self.observe_evidence(known)}
        early = judge([rule for rule in self.settings.rules if rule.saves_request], evidence)
        missing = _missing_picture(sample)
        if early.drop or missing:
            return evidence, Verdict(
                (*early.rulings, *([missing] if missing and not early.drop else []))
            )
        return evidence, judge(self.settings.rules, evidence)

    def _stage(self, ruling: Ruling) -> str:
        if ruling.rule in ("fetch", "score"):
            return ruling.rule
        early = any(rule.name == ruling.rule and rule.saves_request for rule in self.settings.rules)
        return "fetch" if early else "publish"

    def _rows(
        self, sample: Sample, evidence: dict[str, Any], verdict: Verdict, identity: bytes
    ) -> Iterator[Shelved]:
        text = redact(sample.pair.caption, verdict.spans)
        # A hash of URL and caption would confirm a guess at what was redacted; the keyed one does
        # not.
        public_key = identity if text != sample.pair.caption else sample.pair.key
        derived = {
            "text": text,
            "public_key": public_key,
            "tags": verdict.tags,
            "public_warc_file": files.public_name(sample.pair.warc_file),
        }
        subset, shard = verdict.subset or sample.pair.subset, self._shard(public_key)
        row = row_of({**evidence, **derived})
        if self.settings.embeddings == "column":
            row = (*row, np.asarray(sample.score.embedding, np.float16))
        yield Shelved(f"dataset/{subset}", shard, row)
        if self.settings.embeddings == "npy":
            vector = np.asarray(sample.score.embedding, np.float16).tobytes()
            yield Shelved(f"{EMBEDDINGS_FOLDER}/{subset}", shard, (public_key.hex(), vector))

    def _ledger(self, row: tuple[Any, ...], identity: bytes) -> Shelved:
        return Shelved(LEDGER_FOLDER, self._shard(identity), row)

    def _shard(self, key: bytes) -> int:
        return int.from_bytes(key, "big") % self.settings.shards


def _missing_picture(sample: Sample) -> Ruling | None:
    for stage, status in (("fetch", sample.image.status), ("score", sample.score.status)):
        if status != "ok":
            return Ruling(stage, 1, Decision(Action.DROP, f"{stage}_{status}"))
    return None


def _entry(identity: bytes, ruling: Ruling, stage: str) -> tuple[Any, ...]:
    decision = ruling.decision
    return entry(
        identity,
        stage,
        (ruling.rule, ruling.version),
        str(decision.action),
        decision.reason,
        decision.score,
    )


def make_judge(settings: JudgeSettings) -> Work:
    """The function that judges one sample, its detectors loaded."""
    pair, evidence = (
        load_all(needing(settings.detectors, needs)) for needs in (Needs.PAIR, Needs.EVIDENCE)
    )
    return Judge(settings, pair, evidence).sample


@dataclass
class JudgeSamples(beam.PTransform):  # type: ignore[misc]
    """Part names -> rows and ledger entries for their shards; output "tally"."""

    settings: JudgeSettings
    folders: SampleFolders
    told_in: str = ""

    def expand(self, names: beam.PCollection) -> beam.DoOutputsTuple:
        samples = names | "Read samples" >> beam.FlatMap(read_samples, folders=self.folders)
        return samples | "Judge" >> routed(partial(make_judge, self.settings), told_in=self.told_in)
