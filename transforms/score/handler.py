"""The model handler of Beam's RunInference: its element is a part, so that no shuffle follows the
scoring.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from apache_beam.metrics import Metrics
from apache_beam.ml.inference.base import ModelHandler

from filters.detector import Detector, Needs
from filters.observe import load_all
from filters.registry import evidence_columns, needing
from pairsieve.images.processes import Processes
from pairsieve.records.outcome import Counted, Rejection, Tally, tally_of
from pairsieve.records.pair import PAIR_SCHEMA, Pair
from pairsieve.records.sample import IMAGE_SCHEMA, SCORE_SCHEMA, Image, Score
from pairsieve.records.table import from_table, schema_with, to_table
from pairsieve.storage import parts
from pairsieve.storage.settled import settled_scores
from pairsieve.warc.source import read_at
from transforms.plumbing.working_on import WorkingOn
from transforms.score.scorer import Scorer, score_rows
from transforms.score.settings import ScoreFolders, ScoreSettings

LOGGER = logging.getLogger(__name__)
NAMESPACE = "pairsieve"
# scored at once: what is lost where a worker ends, and what fills batches of CPU_BATCH and
# DEVICE_BATCH
CPU_PARTS, DEVICE_PARTS = 2, 8


@dataclass(frozen=True)
class ScoredPart:
    """A part's scores, ready to be written."""

    name: str
    table: pa.Table
    tally: Tally


@dataclass(frozen=True)
class Unscored:
    """A part's pairs, those that have still to be scored with their images, and the scores that it
    has already.
    """

    name: str
    pairs: Sequence[Pair]
    rows: Sequence[tuple[Pair, Image]]
    settled: Mapping[bytes, Score]


class PartHandler(ModelHandler[str, ScoredPart, Scorer]):  # type: ignore[misc]
    """Scores parts by name, a few at once, so that batches are full. The models are loaded once a
    process; a row that cannot be scored fails alone.
    """

    def __init__(
        self, settings: ScoreSettings, detectors: Sequence[Detector], folders: ScoreFolders
    ) -> None:
        number = CPU_PARTS if settings.encoder.device == "cpu" else DEVICE_PARTS
        super().__init__(min_batch_size=number, max_batch_size=number)
        self._settings = settings
        self._detectors = detectors
        self._folders = folders

    def load_model(self) -> Scorer:
        scorer = load_scorer(self._settings, self._detectors)
        for encoder in scorer.encoders.values():
            LOGGER.info(
                "%s computes in %s on %s", encoder.identity, encoder.precision, encoder.device
            )
        return scorer

    def run_inference(
        self, batch: Sequence[str], model: Scorer, inference_args: dict[str, Any] | None = None
    ) -> Iterator[ScoredPart]:
        started = time.perf_counter()
        with WorkingOn(batch[0]), ExitStack() as stack:
            unscored = [self._unscored(name) for name in batch]
            rows = [row for part in unscored for row in part.rows]
            scores = score_rows(*_columns(rows), self._reader(unscored, stack), model)
        by_key = {score.key: score for score in scores}
        _measure(model, time.perf_counter() - started)
        yield from (self._scored(part, by_key) for part in unscored)

    def _unscored(self, name: str) -> Unscored:
        pairs = from_table(parts.read_part(self._folders.pairs, name), Pair, PAIR_SCHEMA)
        images = from_table(parts.read_part(self._folders.images, name), Image, IMAGE_SCHEMA)
        settled = settled_scores(
            self._folders.before,
            name,
            {image.key: image for image in images},
            self._settings.detect_from,
        )
        rows = [
            (pair, image)
            for pair, image in zip(pairs, images, strict=True)
            if pair.key not in settled
        ]
        return Unscored(name, pairs, rows, settled)

    def _scored(self, part: Unscored, found: Mapping[bytes, Score]) -> ScoredPart:
        scores = [part.settled.get(pair.key) or found[pair.key] for pair in part.pairs]
        schema = schema_with(
            SCORE_SCHEMA, evidence_columns(needing(self._detectors, Needs.IMAGE, Needs.EMBEDDING))
        )
        return ScoredPart(
            part.name, to_table(scores, schema), tally_of(score_outcome(score) for score in scores)
        )

    def _reader(self, unscored: Sequence[Unscored], stack: ExitStack) -> Callable[[Image], bytes]:
        """The function that gives an image's bytes: from the archive where they stayed there, else
        from its part's store.
        """
        stores: dict[bytes, parts.PictureReader] = {}
        for part in unscored:
            stored = [
                image.key for _, image in part.rows if image.sha256 and image.warc_file is None
            ]
            if stored:
                stores |= dict.fromkeys(
                    stored,
                    stack.enter_context(parts.open_pictures(self._folders.pictures, part.name)),
                )

        def read(image: Image) -> bytes:
            if image.warc_file is not None and image.record_offset is not None:
                return read_at(image.warc_file, image.record_offset, self._settings.archive)[1]
            if image.sha256 is None:
                raise KeyError("an image without bytes")
            return stores[image.key].read(image.sha256)

        return read

    def get_num_bytes(self, batch: Sequence[str]) -> int:
        return sum(map(len, batch))

    def get_metrics_namespace(self) -> str:
        return NAMESPACE


def load_scorer(settings: ScoreSettings, detectors: Sequence[Detector]) -> Scorer:
    """Load models and detectors. Raises ModelError."""
    import torch

    from pairsieve.clip.encoder import load_encoder

    torch.set_num_threads(settings.threads)
    encoders = {
        name: load_encoder(settings.models[name], identity, settings.encoder)
        for name, identity in settings.identities.items()
    }
    image_detectors = needing(detectors, Needs.IMAGE)
    return Scorer(
        encoders=encoders,
        routes=settings.routes,
        decode=settings.decode,
        detect_from=settings.detect_from,
        detect_timeout_s=settings.detect_timeout_s,
        keep_embeddings=settings.keep_embeddings,
        observe_picture=load_all(image_detectors) if image_detectors else None,
        observe_embedding=load_all(needing(detectors, Needs.EMBEDDING)),
        executor=ThreadPoolExecutor(max_workers=os.cpu_count()),
        processes=Processes(settings.decode_processes or os.cpu_count() or 1),
    )


def _measure(scorer: Scorer, seconds: float) -> None:
    """Seconds in all and in the models, and the rows of each batch, as Beam metrics: so a device
    that idles shows.
    """
    Metrics.counter(NAMESPACE, "score_ms").inc(round(1000 * seconds))
    for encoder in scorer.encoders.values():
        Metrics.counter(NAMESPACE, "model_ms").inc(round(1000 * encoder.meter.busy_s))
        for rows in encoder.meter.batches:
            Metrics.distribution(NAMESPACE, "batch_rows").update(rows)
        encoder.meter.busy_s = 0.0
        encoder.meter.batches.clear()


def _columns(rows: Sequence[tuple[Pair, Image]]) -> tuple[list[Pair], list[Image]]:
    return [pair for pair, _ in rows], [image for _, image in rows]


def score_outcome(score: Score) -> Rejection | Counted:
    """How a score is counted."""
    if score.errors:
        return Rejection("pair", f"error:{score.errors[0]}", "quarantined")
    return Counted("pair", "kept") if score.status == "ok" else Rejection("pair", score.status)
