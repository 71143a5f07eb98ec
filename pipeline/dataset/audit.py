"""Draws the sample of an audit from a dataset and its ledger, and writes the result into it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pyarrow.parquet as pq

from pairsieve.audit.labels import SampleName
from pairsieve.audit.questions import (
    KEPT_OUT_STRATA,
    MOVED,
    NEAR_A_DECISION,
    PUBLISHED_STRATA,
    QUESTIONS,
    Question,
)
from pairsieve.audit.result import AUDIT, AuditResult, audit_text, count_labels
from pairsieve.audit.sample import Drawer, allocate, shuffled
from pairsieve.records.layout import LEDGER_FOLDER
from pairsieve.records.manifest import MANIFEST, Manifest
from pairsieve.records.row import KEY
from pairsieve.search.rows import batches
from pairsieve.storage import files, openers
from pairsieve.storage.marked import mark
from pairsieve.storage.shards import shard_paths
from pipeline.dataset.facts import read_audits
from pipeline.dataset.manifest import NoSuchDataset, read_manifest
from pipeline.dataset.next_version import put
from pipeline.dataset.sidecar import private_results, read_sidecar
from pipeline.dataset.writer import COMMIT, STAGING, only_writer, recover

KEPT_OUT_SHARE = 0.25
"""Of the labels. They say what was caught, and the bound on what was missed needs none of them."""
KEPT_OUT_ACTIONS = ("drop", "quarantine")


@dataclass(frozen=True)
class DrawnSample:
    """A sample of a dataset: rows of each stratum, and the ids of those that were drawn.

    An id is the published key of a row, or the id of a row in the ledger: 32 hex digits.
    """

    question: Question
    seed: int
    labels: int
    manifest: Manifest
    published_rows: Mapping[str, int]
    kept_out_rows: Mapping[str, int]
    ids_of: Mapping[str, Sequence[str]]

    @cached_property
    def order(self) -> list[str]:
        """All ids in the order in which they are shown."""
        ids = [bytes.fromhex(row_id) for drawn in self.ids_of.values() for row_id in drawn]
        return [row_id.hex() for row_id in shuffled(ids, self.seed)]

    @property
    def name(self) -> SampleName:
        """What the sample depends on."""
        order = "".join(self.order)
        return SampleName(
            self.question.name,
            self.seed,
            self.labels,
            self.manifest.version,
            digest_of_rows(self.manifest),
            hashlib.sha256(order.encode()).hexdigest(),
        )

    def result(self, labels: Mapping[str, str]) -> AuditResult:
        """The result with the labels at hand, by id."""
        return AuditResult(
            self.question.name,
            self.manifest.version,
            self.seed,
            count_labels(self.ids_of, self.published_rows, labels),
            count_labels(self.ids_of, self.kept_out_rows, labels),
        )


def digest_of_rows(manifest: Manifest) -> str:
    """The sha256 over the shards and the ledger: it changes when any row or decision does."""
    listed = (*manifest.below(manifest.rows_folder), *manifest.below(f"{LEDGER_FOLDER}/"))
    text = "\n".join(f"{file.path} {file.sha256}" for file in listed)
    return hashlib.sha256(text.encode()).hexdigest()


def draw(dataset: str, question: str, seed: int, labels: int, work: str = "") -> DrawnSample:
    """Draw a sample. The same dataset and the same values give the same rows.

    `work` is the run's work directory: its private columns say which rows are near a decision.
    Raises NoSuchDataset.
    """
    manifest = read_manifest(dataset)
    if manifest.adopted:
        raise NoSuchDataset(
            f"{dataset} was made by others: nothing says what was kept out of it. An audit needs a "
            "dataset that `pairsieve run` has made"
        )
    asked = QUESTIONS[question]
    published, kept_out = Drawer(seed, labels), Drawer(seed, labels)
    private = private_results(work, dataset, manifest) if work else ""
    for stratum, row_id in _published(dataset, manifest, asked, private):
        # A row in a subset of its own was found: it is there on purpose, and not missed.
        (kept_out if stratum == MOVED else published).add(stratum, row_id)
    for stratum, row_id in _kept_out(dataset, manifest, asked):
        kept_out.add(stratum, row_id)
    published_rows = {name: published.rows_of.get(name, 0) for name in PUBLISHED_STRATA}
    kept_out_rows = {name: kept_out.rows_of.get(name, 0) for name in KEPT_OUT_STRATA}
    for_kept_out = min(int(KEPT_OUT_SHARE * labels), sum(kept_out_rows.values()))
    sizes = allocate(published_rows, NEAR_A_DECISION, labels - for_kept_out)
    other_sizes = allocate(kept_out_rows, NEAR_A_DECISION, for_kept_out)
    drawn = {**published.drawn(sizes), **kept_out.drawn(other_sizes)}
    ids_of = {name: [row_id.hex() for row_id in ids] for name, ids in drawn.items()}
    return DrawnSample(asked, seed, labels, manifest, published_rows, kept_out_rows, ids_of)


def _published(
    dataset: str, manifest: Manifest, question: Question, private: str
) -> Iterator[tuple[str, bytes]]:
    """(stratum, key) of each published row, by its public and its private evidence."""
    threshold = question.threshold_in(manifest.rules)
    columns = [KEY, "tags", "face_count", *([question.score] if question.score else [])]
    for path in shard_paths(manifest):
        cells = read_sidecar(private, path)
        is_moved = bool(question.subset) and path.split("/")[1] == question.subset
        for batch in batches(files.join(dataset, path), columns, manifest.columns):
            for row in batch.to_pylist():
                evidence = {**row, **cells.get(row[KEY], {})}
                stratum = question.published_stratum(evidence, threshold)
                yield MOVED if is_moved else stratum, bytes.fromhex(row[KEY])


def _kept_out(dataset: str, manifest: Manifest, question: Question) -> Iterator[tuple[str, bytes]]:
    """(stratum, id) of each row that was dropped or not judged, from the ledger.

    Decisions that lead to no row (an erasure) are passed over: nobody is shown who was taken out.
    """
    for listed in manifest.below(f"{LEDGER_FOLDER}/"):
        # All decisions on a row are in one file.
        decisions = _decisions_in(files.join(dataset, listed.path))
        for row_id, decided in decisions.items():
            is_judged = all(action != "quarantine" for action, _ in decided)
            action = "drop" if is_judged else "quarantine"
            reasons = [reason for _, reason in decided]
            yield question.dropped_stratum(action, reasons), bytes.fromhex(row_id)


def _decisions_in(path: str) -> dict[str, list[tuple[str, str]]]:
    """Id of a row -> (action, reason) of each decision of a ledger's file that keeps it out."""
    decisions: dict[str, list[tuple[str, str]]] = {}
    with openers.open_columns(path) as stream:
        columns = ["id", "action", "reason"]
        for batch in pq.ParquetFile(stream).iter_batches(columns=columns):
            for row in batch.to_pylist():
                if row["id"] and row["action"] in KEPT_OUT_ACTIONS:
                    decision = (row["action"], row["reason"])
                    decisions.setdefault(row["id"], []).append(decision)
    return decisions


def published_captions(dataset: str, manifest: Manifest, wanted: set[str]) -> dict[str, str]:
    """Key -> caption of the published rows that are wanted, as they were published."""
    captions = {}
    for path in shard_paths(manifest):
        for batch in batches(files.join(dataset, path), [KEY, "TEXT"], manifest.columns):
            for row in batch.to_pylist():
                if row[KEY] in wanted:
                    captions[row[KEY]] = row["TEXT"] or ""
    return captions


def write_result(dataset: str, sample: DrawnSample, result: AuditResult) -> None:
    """Write a result into the dataset: `audit.json`, data card, report, and last the manifest.

    It survives a crash as an erasure does (pipeline/dataset/writer.py). Results of other questions
    stay. Raises NoSuchDataset where the dataset has changed since the sample was drawn, and InUse.
    """
    with only_writer(dataset) as lock:
        manifest = read_manifest(dataset)
        if digest_of_rows(manifest) != digest_of_rows(sample.manifest):
            raise NoSuchDataset(
                f"{dataset} has changed while the result was computed; give the command again"
            )
        results: dict[str, Any] = {
            earlier.question: earlier for earlier in read_audits(dataset, manifest)
        }
        results[result.question] = result
        staging = files.join(dataset, STAGING)
        mark(staging)
        listed = manifest.by_path
        listed[AUDIT] = put(staging, AUDIT, audit_text(results.values()).encode(), 0)
        next_manifest = replace(manifest, files=tuple(listed.values()))
        files.write_text(files.join(staging, MANIFEST), next_manifest.text())
        # In an object store another command may have taken the lock over.
        lock.check()
        # From this file on the result counts: a later command would finish the move.
        files.write_text(files.join(staging, COMMIT), json.dumps([AUDIT]) + "\n")
        # The same move as after a crash, so that there is one way to do it.
        recover(dataset)
