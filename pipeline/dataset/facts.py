"""The numbers for card and report: the run's own aggregates, or counted from a dataset's files.

Only counts are kept, and no row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pairsieve.audit.result import AUDIT, AuditResult, BadAudit, parse_audit
from pairsieve.recheck.result import RECHECK, BadRecheck, RecheckResult, parse_recheck
from pairsieve.records.aggregates import (
    COUNTED,
    DECISION_COLUMNS,
    MEASURED,
    SPANNED,
    Aggregates,
    Largest,
    count_decisions,
    count_rows,
    sum_aggregates,
)
from pairsieve.records.foreign import as_ours
from pairsieve.records.layout import LEDGER_FOLDER
from pairsieve.records.manifest import Manifest
from pairsieve.storage import files, openers
from pairsieve.web.domains import count_domains
from pipeline.dataset.manifest import NoSuchDataset, read_manifest

BINS = 40
"""A histogram is drawn with at most so many bars."""


@dataclass
class Histogram:
    """Numbers of rows between edges (one more edge than bins): kept, and dropped for one reason."""

    edges: NDArray[np.float64]
    kept: NDArray[np.int64]
    dropped: NDArray[np.int64]


@dataclass
class Facts:
    """The numbers of one dataset.

    `aggregates`: what was counted of its rows and its ledger. `audits`: what people have labelled.
    `rechecks`: what its links served when they were asked again, the oldest first.
    """

    manifest: Manifest
    aggregates: Aggregates = field(default_factory=Aggregates)
    audits: Sequence[AuditResult] = ()
    rechecks: Sequence[RecheckResult] = ()

    @property
    def rows(self) -> int:
        return self.aggregates.rows

    @property
    def columns(self) -> Sequence[str]:
        """The columns of the shards."""
        return self.aggregates.columns

    @property
    def domains(self) -> Largest:
        """The registered domains of the image URLs."""
        return self.aggregates.domains

    @property
    def reasons(self) -> Counter[tuple[str, str, str, str]]:
        """(stage, rule, action, reason) -> decisions of the ledger."""
        return self.aggregates.reasons

    def counted(self, column: str) -> Counter[str]:
        """Value -> rows, for a counted column."""
        return self.aggregates.counted.get(column, Counter())

    def histogram(self, column: str, reason: str = "") -> Histogram | None:
        """The values of a column in kept rows, beside the scores of rows that a reason dropped.

        None where there are no values. The bars begin and end at borders of the column's fixed
        bins, so that no value is shown more than one bin away from its place.
        """
        kept = self.aggregates.measured.get(column, Counter())
        dropped = self.aggregates.dropped.get(reason, Counter())
        edges = MEASURED[column].edges
        used = [number for number, rows in (kept + dropped).items() if rows]
        if not used:
            return None
        first, end = min(used), max(used) + 1
        bins_a_bar = -(-(end - first) // BINS)  # rounded up
        starts = np.arange(first, end, bins_a_bar)
        # The last bar is narrower where the scale ends.
        last_edge = min(int(starts[-1]) + bins_a_bar, len(edges) - 1)
        return Histogram(
            edges[[*starts, last_edge]],
            np.add.reduceat(_dense(kept, end), starts),
            np.add.reduceat(_dense(dropped, end), starts),
        )


def _dense(bins: Counter[int], end: int) -> NDArray[np.int64]:
    """The counts of the bins before `end`, with zeros for those that are empty."""
    return np.array([bins[number] for number in range(end)], np.int64)


def gather(dataset: str, manifest: Manifest | None = None) -> Facts:
    """Read a dataset, batch by batch; memory grows with its distinct domains alone.

    A run does not call this, since its job has counted the rows. An erasure and `pairsieve report`
    do. Give the manifest while the dataset has none yet. Raises NoSuchDataset.
    """
    manifest = manifest or read_manifest(dataset)
    total, domains = Aggregates(), Counter[str]()
    for listed in manifest.files:
        path = files.join(dataset, listed.path)
        if listed.path.startswith("dataset/"):
            columns = _columns_of(path)
            for table in _batches(path, (*COUNTED, *MEASURED, *SPANNED, "URL")):
                # Datasets of others may have other types, as large strings.
                ours = as_ours(table)
                counted = replace(count_rows(ours), columns=columns)
                total = sum_aggregates([total, counted])
                if "URL" in ours.column_names:
                    domains.update(count_domains(ours.column("URL")))
            # A shard without rows has no batch.
            total = sum_aggregates([total, Aggregates(columns=columns)])
        elif listed.path.startswith(f"{LEDGER_FOLDER}/"):
            for table in _batches(path, DECISION_COLUMNS):
                total = sum_aggregates([total, count_decisions(table)])
    # Only now: top lists of shards cannot be summed exactly.
    total = replace(total, domains=Largest.of(domains))
    return facts_of(dataset, manifest, total)


def facts_of(dataset: str, manifest: Manifest, aggregates: Aggregates) -> Facts:
    """Facts of what was counted, with the results that lie in the dataset. Raises NoSuchDataset."""
    audits, rechecks = read_audits(dataset, manifest), read_rechecks(dataset, manifest)
    return Facts(manifest, aggregates, audits, rechecks)


def read_audits(dataset: str, manifest: Manifest) -> list[AuditResult]:
    """The results of the audits of a dataset, one for each question. Raises NoSuchDataset."""
    with _reading(dataset, AUDIT) as path:
        return parse_audit(files.read_text(path)) if AUDIT in manifest.by_path else []


def read_rechecks(dataset: str, manifest: Manifest) -> list[RecheckResult]:
    """The results of the rechecks of a dataset, the oldest first. Raises NoSuchDataset."""
    with _reading(dataset, RECHECK) as path:
        return parse_recheck(files.read_text(path)) if RECHECK in manifest.by_path else []


@contextmanager
def _reading(dataset: str, name: str) -> Iterator[str]:
    """Yield the path of a file of results. Raises NoSuchDataset where it cannot be read."""
    path = files.join(dataset, name)
    try:
        yield path
    except (BadAudit, BadRecheck, OSError, UnicodeDecodeError) as error:
        raise NoSuchDataset(
            f"{path} is damaged: {error}. Get it back from a copy; `pairsieve verify` says what "
            "else is damaged"
        ) from None


def _columns_of(path: str) -> tuple[str, ...]:
    with files.open_read(path) as stream:
        return tuple(pq.read_schema(stream).names)


def _batches(path: str, columns: Sequence[str]) -> Iterator[pa.Table]:
    """The batches of a file, with those of the columns that it has."""
    with openers.open_columns(path) as stream:
        parquet = pq.ParquetFile(stream)
        present = [name for name in columns if name in parquet.schema_arrow.names]
        for batch in parquet.iter_batches(columns=present):
            yield pa.Table.from_batches([batch])
