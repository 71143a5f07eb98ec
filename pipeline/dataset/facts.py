"""What a report tells, gathered from a dataset's manifest, shards and ledger: numbers, and no
row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pairsieve.records.foreign import as_ours
from pairsieve.records.manifest import Manifest
from pairsieve.storage import files
from pairsieve.web.urls import registered_domain
from pipeline.dataset.manifest import read_manifest

COUNTED = (
    "LANGUAGE",
    "licence_kind",
    "page_source",
    "image_attribute",
    "format",
    "NSFW",
    "rights_signals",
    "tags",
    "face_count",
)
MEASURED = ("similarity", "WIDTH", "HEIGHT", "size_bytes", "punsafe", "medical_picture_score")
BINS = 40
MOST_DOMAINS = 15


@dataclass
class Histogram:
    """Counts between edges; of what was kept, and of what one reason dropped."""

    edges: NDArray[np.float64]
    kept: NDArray[np.int64]
    dropped: NDArray[np.int64]


@dataclass
class Facts:
    """`columns`: those of the shards. `counted`: column -> value -> rows. `reasons`: (stage, rule,
    action, reason) -> decisions. `measured`: column -> values.
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

    def values(self, column: str) -> NDArray[np.float64]:
        """Every value of a measured column that is there."""
        found = self.measured[column]
        return np.concatenate(found) if found else np.empty(0)

    def histogram(
        self, column: str, reason: str = "", edges: NDArray[np.float64] | None = None
    ) -> Histogram | None:
        """How a column's values are spread, beside the scores for which a reason dropped others;
        None where there are none.
        """
        kept, dropped = self.values(column), np.array(self.scores.get(reason, []), float)
        every = np.concatenate([kept, dropped])
        every = every[np.isfinite(every)]
        if not len(every):
            return None
        if edges is None:
            edges = np.linspace(every.min(), max(every.max(), every.min() + 1e-6), BINS + 1)
        return Histogram(edges, np.histogram(kept, edges)[0], np.histogram(dropped, edges)[0])


def gather(dataset: str, manifest: Manifest | None = None) -> Facts:
    """Read a dataset shard by shard; its manifest where it has none yet. Raises NoSuchDataset."""
    facts = Facts(manifest or read_manifest(dataset))
    for listed in facts.manifest.files:
        read: Callable[[Facts, str], None] | None = next(
            (f for tree, f in _READERS if listed.path.startswith(tree)), None
        )
        if read:
            read(facts, files.join(dataset, listed.path))
    return facts


def _rows(facts: Facts, path: str) -> None:
    with files.open_read(path) as stream:
        shard = pq.ParquetFile(stream)
        facts.columns = shard.schema_arrow.names
        there = set(facts.columns)
        for batch in shard.iter_batches(
            columns=[name for name in (*COUNTED, *MEASURED, "URL") if name in there]
        ):
            table = as_ours(pa.Table.from_batches([batch]))
            facts.rows += table.num_rows
            for name in there & set(COUNTED):
                facts.counted[name].update(_flat(table.column(name).to_pylist()))
            for name in there & set(MEASURED):
                values = table.column(name).drop_null()
                facts.measured[name].append(values.to_numpy().astype(float))
            urls = table.column("URL").to_pylist() if "URL" in there else ()
            facts.domains.update(registered_domain(url or "") for url in urls)


def _flat(values: Sequence[Any]) -> Iterator[str]:
    for value in values:
        yield from (
            map(str, value) if isinstance(value, list) else ["" if value is None else str(value)]
        )


def _decisions(facts: Facts, path: str) -> None:
    with files.open_read(path) as stream:
        for row in pq.read_table(
            stream, columns=["stage", "rule", "action", "reason", "score"]
        ).to_pylist():
            facts.reasons[row["stage"], row["rule"], row["action"], row["reason"]] += 1
            if row["score"] is not None and row["action"] == "drop":
                facts.scores.setdefault(row["reason"], []).append(row["score"])


_READERS: tuple[tuple[str, Callable[[Facts, str], None]], ...] = (
    ("dataset/", _rows),
    ("ledger/", _decisions),
)
