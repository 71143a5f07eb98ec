"""Gathers the numbers for card and report from a dataset's manifest, shards and ledger.

Only counts and measured values are kept, and no row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pairsieve.audit.result import AUDIT, AuditResult, BadAudit, parse_audit
from pairsieve.records.foreign import as_ours
from pairsieve.records.layout import LEDGER_FOLDER
from pairsieve.records.manifest import Manifest
from pairsieve.storage import files
from pairsieve.web.urls import registered_domain
from pipeline.dataset.manifest import NoSuchDataset, read_manifest

COUNTED = (
    "LANGUAGE",
    "licence_kind",
    "page_source",
    "image_attribute",
    "caption_source",
    "format",
    "NSFW",
    "rights_signals",
    "tags",
    "face_count",
)
"""Columns whose values are counted."""
MEASURED = ("similarity", "WIDTH", "HEIGHT", "size_bytes", "punsafe", "medical_picture_score")
"""Columns whose values are kept for histograms."""
BINS = 40
MIN_WIDTH = 1e-6
"""Of a histogram whose values are all equal."""
MAX_DOMAINS = 15


@dataclass
class Histogram:
    """Numbers of rows between edges (one more edge than bins): kept, and dropped for one reason."""

    edges: NDArray[np.float64]
    kept: NDArray[np.int64]
    dropped: NDArray[np.int64]


@dataclass
class Facts:
    """The numbers of one dataset.

    `counted`: column -> value -> rows. `measured`: column -> arrays of its values. `reasons`:
    (stage, rule, action, reason) -> decisions of the ledger. `scores`: reason -> scores of what it
    dropped. `columns`: those of the shards. `audits`: what people have labelled.
    """

    manifest: Manifest
    rows: int = 0
    counted: dict[str, Counter[str]] = field(
        default_factory=lambda: {name: Counter() for name in COUNTED}
    )
    domains: Counter[str] = field(default_factory=Counter)
    measured: dict[str, list[NDArray[np.float64]]] = field(
        default_factory=lambda: {name: [] for name in MEASURED}
    )
    reasons: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    scores: dict[str, list[float]] = field(default_factory=dict)
    columns: list[str] = field(default_factory=list)
    audits: Sequence[AuditResult] = ()

    def values(self, column: str) -> NDArray[np.float64]:
        """All values of a measured column; rows without a value are left out."""
        arrays = self.measured[column]
        return np.concatenate(arrays) if arrays else np.empty(0)

    def histogram(
        self, column: str, reason: str = "", edges: NDArray[np.float64] | None = None
    ) -> Histogram | None:
        """The distribution of a column beside the scores for which a reason dropped others.

        None where there are no values.
        """
        kept = self.values(column)
        dropped = np.array(self.scores.get(reason, []), float)
        values = np.concatenate([kept, dropped])
        # Datasets of others may hold NaN or infinity, which have no place on an axis.
        values = values[np.isfinite(values)]
        if not len(values):
            return None
        if edges is None:
            low = values.min()
            high = max(values.max(), low + MIN_WIDTH)
            edges = np.linspace(low, high, BINS + 1)
        return Histogram(edges, np.histogram(kept, edges)[0], np.histogram(dropped, edges)[0])


def gather(dataset: str, manifest: Manifest | None = None) -> Facts:
    """Read a dataset shard by shard.

    The manifest is given while the dataset has none yet. Raises NoSuchDataset.
    """
    facts = Facts(manifest or read_manifest(dataset))
    for listed in facts.manifest.files:
        path = files.join(dataset, listed.path)
        if listed.path.startswith("dataset/"):
            _add_shard(facts, path)
        elif listed.path.startswith(f"{LEDGER_FOLDER}/"):
            _add_ledger(facts, path)
    facts.audits = read_audits(dataset, facts.manifest)
    return facts


def read_audits(dataset: str, manifest: Manifest) -> list[AuditResult]:
    """The results of the audits of a dataset, one for each question. Raises NoSuchDataset."""
    if AUDIT not in manifest.by_path:
        return []
    path = files.join(dataset, AUDIT)
    try:
        return parse_audit(files.read_text(path))
    except (BadAudit, OSError, UnicodeDecodeError) as error:
        raise NoSuchDataset(
            f"{path} is damaged: {error}. Get it back from a copy; `pairsieve verify` says what "
            "else is damaged"
        ) from None


def _add_shard(facts: Facts, path: str) -> None:
    with files.open_read(path) as stream:
        shard = pq.ParquetFile(stream)
        facts.columns = shard.schema_arrow.names
        columns = [name for name in (*COUNTED, *MEASURED, "URL") if name in facts.columns]
        for batch in shard.iter_batches(columns=columns):
            # Datasets of others may have other types, as large strings.
            _add_rows(facts, as_ours(pa.Table.from_batches([batch])))


def _add_rows(facts: Facts, table: pa.Table) -> None:
    facts.rows += table.num_rows
    for name in table.column_names:
        column = table.column(name)
        if name in COUNTED:
            facts.counted[name].update(_texts(column.to_pylist()))
        elif name in MEASURED:
            facts.measured[name].append(column.drop_null().to_numpy().astype(float))
        else:
            # The URL: only its registered domain is counted.
            facts.domains.update(registered_domain(url or "") for url in column.to_pylist())


def _texts(values: Sequence[Any]) -> Iterable[str]:
    """Values as texts to count: each entry of a list by itself, and no value as an empty text."""
    for value in values:
        if isinstance(value, list):
            yield from map(str, value)
        else:
            yield "" if value is None else str(value)


def _add_ledger(facts: Facts, path: str) -> None:
    columns = ["stage", "rule", "action", "reason", "score"]
    with files.open_read(path) as stream:
        decisions = pq.read_table(stream, columns=columns).to_pylist()
    for decision in decisions:
        stage, rule, action, reason, score = (decision[name] for name in columns)
        facts.reasons[stage, rule, action, reason] += 1
        # Histograms show what was dropped beside what was kept; marks are among the kept rows.
        if score is not None and action == "drop":
            facts.scores.setdefault(reason, []).append(score)
