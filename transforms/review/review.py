"""Reviews shards: how many rows have findings of each kind, and which rows are the riskiest.

Reviews of shards are merged in any order and grouping; the sum is the same. Nothing here imports
Beam.
"""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, islice, repeat
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from filters.medical.picture import MedicalPicture
from filters.privacy.presidio_patterns import load_presidio_patterns
from filters.registry import build_detectors
from filters.subjects import Embedding
from pairsieve.erasure.opt_outs import OptOutKind, read_opt_outs
from pairsieve.erasure.tombstones import read_tombstones
from pairsieve.records.outcome import Counted
from pairsieve.search.rows import batches
from pairsieve.search.sources import Source, read_vectors
from pairsieve.storage import files
from pairsieve.storage.sealed import Damaged
from pairsieve.storage.shards import RESTORE
from pairsieve.storage.sidecar import read_cells
from transforms.plumbing.shard_work import ShardWork
from transforms.review.findings import COLUMNS, RISKS, Finding, MedicalWords, Reviewer
from transforms.review.looks import looks_of

MAX_LISTED = 2_000
# What is done once for a batch, such as preparing patterns, takes as long as some thousand rows.
BATCH_ROWS = 50_000
REVIEW_FILE = "review.json"

Place = tuple[int, int]
"""The number of a shard in the dataset, and that of a row in it."""


@dataclass(frozen=True, slots=True)
class RiskyRow:
    """A row with findings: its cells that a list shows."""

    risk: float
    place: Place
    cells: Mapping[str, Any]
    findings: tuple[Finding, ...]

    @property
    def order(self) -> tuple[float, Place]:
        """The riskiest first, and of equal risk the first in the dataset."""
        return (-self.risk, self.place)


@dataclass(frozen=True)
class Review:
    """How many rows have findings of each kind, and the MAX_LISTED riskiest rows in order."""

    rows: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    riskiest: Sequence[RiskyRow] = ()


def merge_reviews(reviews: Iterable[Review]) -> Review:
    """The review of all rows of several reviews."""
    number, counts, risky = 0, Counter[str](), list[RiskyRow]()
    for review in reviews:
        number += review.rows
        counts += review.counts
        risky = _riskiest([*risky, *review.riskiest])
    return Review(number, counts, risky)


def _riskiest(rows: Iterable[RiskyRow]) -> list[RiskyRow]:
    return heapq.nsmallest(MAX_LISTED, rows, key=lambda row: row.order)


@dataclass(frozen=True)
class VectorModel:
    """A model whose vectors were published.

    `prompts` holds the vectors of the detector's prompts, (n, d), by their n texts. `logit_scale`
    is the model's factor for similarities.
    """

    prompts: Mapping[tuple[str, ...], NDArray[np.float32]]
    logit_scale: float


@dataclass(frozen=True)
class MedicalByVector:
    """Tells by published vectors how medical pictures are.

    `models` by name, and the `settings` of the detector `medical_picture`.
    """

    models: Mapping[str, VectorModel]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def scores(self, dataset: str, shard: Source) -> Iterator[float]:
        """Yield how medical each picture of a shard is, from 0 to 1."""
        (detector,) = build_detectors({MedicalPicture.name: self.settings})
        observe = detector.load()
        model = self.models[shard.space]
        for vector in chain.from_iterable(read_vectors(dataset, shard)):
            evidence = observe(Embedding(vector, model.prompts.__getitem__, model.logit_scale))
            yield float(evidence["medical_picture_score"])  # type: ignore[arg-type]


@dataclass(frozen=True)
class ReviewSettings:
    """Settings of a review: the data that it reads, and the findings that it looks for.

    `dataset` is the folder that shards lie in. `columns` maps our names of columns to the
    dataset's. `private` is the folder of the run's private columns, `tombstones` that of rows that
    were taken out before; empty for none. `opt_outs` are registries of refusals. `has_second`: a
    second detector of personal data is installed, and must be so on every worker. `medical` is what
    counts as medical words.
    """

    dataset: str
    columns: Mapping[str, str] = field(default_factory=dict)
    private: str = ""
    tombstones: str = ""
    opt_outs: Sequence[str] = ()
    example_hashes: Sequence[bytes] = ()
    example_digests: frozenset[str] = frozenset()
    has_second: bool = False
    medical: MedicalWords = field(default_factory=MedicalWords)
    vectors: MedicalByVector | None = None


def load_reviewer(settings: ReviewSettings) -> Reviewer:
    """Read the lists, and load the second detector.

    Raises NoTombstones, UnreadableList, OSError; ModuleNotFoundError where the second detector is
    missing here alone.
    """
    second = load_presidio_patterns() if settings.has_second else None
    if settings.has_second and second is None:
        raise ModuleNotFoundError(
            "Presidio is installed where the check was started, and not on this worker: pip "
            "install 'pairsieve[presidio]' there too"
        )
    opted_out = None
    if settings.opt_outs:
        registries: dict[str, OptOutKind] = dict.fromkeys(settings.opt_outs, "auto")
        opted_out, _ = read_opt_outs(registries, skip_unreadable=False)
    return Reviewer(
        stones=read_tombstones(settings.tombstones) if settings.tombstones else None,
        opted_out=opted_out,
        example_hashes=settings.example_hashes,
        example_digests=settings.example_digests,
        second=second,
        medical=settings.medical,
    )


@dataclass(frozen=True, slots=True)
class NumberedShard:
    """A shard, and its number in the dataset."""

    number: int
    source: Source

    @property
    def path(self) -> str:
        """The shard's file in the dataset, by which errors name it."""
        return self.source.path


def review_work(settings: ReviewSettings, folder: str) -> ShardWork:
    """Look at every row of each shard, and write one review below a private folder."""
    return ShardWork(
        "Look at rows",
        folder,
        make=partial(make_shard_review, settings),
        merge=merge_reviews,
        write=partial(write_review, folder=folder),
    )


def make_shard_review(
    settings: ReviewSettings,
) -> Callable[[NumberedShard], Iterable[Review | Counted]]:
    """The function that reviews one shard, with lists and detectors loaded."""
    return partial(_counted_review, settings=settings, reviewer=load_reviewer(settings))


def _counted_review(
    shard: NumberedShard, settings: ReviewSettings, reviewer: Reviewer
) -> Iterator[Review | Counted]:
    yield review_shard(shard, settings, reviewer)
    yield Counted("file", "kept")


def review_shard(shard: NumberedShard, settings: ReviewSettings, reviewer: Reviewer) -> Review:
    """Look at every row of a shard.

    Raises OSError where it cannot be read, and Damaged where it has fewer vectors than rows.
    """
    counts, risky = Counter[str](), list[RiskyRow]()
    private_cells = read_cells(settings.private, shard.source.path)
    scores = iter(_scores(shard, settings))
    rows = 0
    for batch in _batches(shard, settings):
        scores_of = list(islice(scores, batch.num_rows))
        if len(scores_of) < batch.num_rows:
            raise Damaged(files.join(settings.dataset, shard.source.vectors), RESTORE)
        for row, cells, findings in _found(batch, scores_of, reviewer, private_cells):
            kinds = {finding.kind for finding in findings}
            counts.update(kinds)
            shown = {name: cells.get(name) for name in ("URL", "TEXT", "page_url", "key")}
            risk = sum(RISKS[kind] for kind in kinds)
            # The first row of a shard is number 1, in all reviews that were ever written.
            place = (shard.number, rows + row + 1)
            risky.append(RiskyRow(risk, place, shown, findings))
            # A shard of millions of risky rows must not be held whole.
            if len(risky) >= 2 * MAX_LISTED:
                risky = _riskiest(risky)
        rows += batch.num_rows
    return Review(rows, counts, _riskiest(risky))


def _batches(shard: NumberedShard, settings: ReviewSettings) -> Iterator[pa.Table]:
    path = files.join(settings.dataset, shard.source.path)
    for batch in batches(path, COLUMNS, settings.columns, BATCH_ROWS):
        yield pa.Table.from_batches([batch])


def _found(
    batch: pa.Table,
    scores: Sequence[float | None],
    reviewer: Reviewer,
    private_cells: Mapping[str, Mapping[str, Any]],
) -> Iterator[tuple[int, Mapping[str, Any], tuple[Finding, ...]]]:
    """Yield the rows of a batch that have findings: number in the batch, cells and findings."""
    looks = looks_of(batch, reviewer, scores)
    if private_cells:
        # The columns hold no private cells, so that every row must be looked at.
        looks = replace(looks, others=np.ones(batch.num_rows, np.bool_))
    to_read = list(looks.rows())
    rows = batch.take(pa.array([row for row, _ in to_read], pa.int64())).to_pylist()
    for published, (row, looks_of_row) in zip(rows, to_read, strict=True):
        cells = {**published, **private_cells.get(published.get("key") or "", {})}
        findings = tuple(reviewer.findings(cells, scores[row], looks_of_row))
        if findings:
            yield row, cells, findings


def _scores(shard: NumberedShard, settings: ReviewSettings) -> Iterator[float | None]:
    """How medical the pictures are by their vectors; None without an end where there are none."""
    if settings.vectors is None or not shard.source.vectors:
        return repeat(None)
    return settings.vectors.scores(settings.dataset, shard.source)


def write_review(review: Review, folder: str) -> None:
    """Write a review below a private folder; it holds captions and addresses."""
    rows = []
    for row in review.riskiest:
        findings = [(finding.kind, finding.what) for finding in row.findings]
        rows.append([row.risk, row.place, dict(row.cells), findings])
    content = {"rows": review.rows, "counts": dict(review.counts), "riskiest": rows}
    files.write_private(files.join(folder, REVIEW_FILE), json.dumps(content))


def read_review(folder: str) -> Review:
    """Read what `write_review` has written."""
    content = json.loads(files.read_text(files.join(folder, REVIEW_FILE)))
    riskiest = []
    for risk, place, cells, listed in content["riskiest"]:
        findings = tuple(Finding(kind, what) for kind, what in listed)
        shard, row = place
        riskiest.append(RiskyRow(risk, (shard, row), cells, findings))
    return Review(content["rows"], Counter(content["counts"]), riskiest)
