"""Beam's RunInference model handler that scores parts.

Its element is a whole part, so that no shuffle is needed after scoring.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from apache_beam.metrics import Metrics
from apache_beam.ml.inference.base import ModelHandler

from filters.detector import Detector, Needs, is_costly
from filters.observe import load_all
from filters.registry import digest_of, evidence_columns, needing
from pairsieve.collector import collector_paused
from pairsieve.images.processes import Processes
from pairsieve.records.outcome import Counted, Rejection, Tally, tally_of
from pairsieve.records.pair import PAIR_SCHEMA, Pair
from pairsieve.records.sample import IMAGE_SCHEMA, SCORE_SCHEMA, Image, Score
from pairsieve.records.table import from_table, schema_with, to_table
from pairsieve.storage import parts
from pairsieve.storage.settled import settled_scores
from pairsieve.warc.source import ArchiveReader
from transforms.plumbing.working_on import WorkingOn
from transforms.score.prospects import Prospects
from transforms.score.score_rows import score_rows
from transforms.score.scorer import Costly, Scorer
from transforms.score.settings import ScoreFolders, ScoreSettings

LOGGER = logging.getLogger(__name__)
NAMESPACE = "pairsieve"

# Parts that are scored together. More parts fill the last batches (CPU_BATCH or DEVICE_BATCH rows)
# better, but a worker that dies loses them all.
CPU_PARTS, DEVICE_PARTS = 2, 8


@dataclass(frozen=True)
class ScoredPart:
    """The scores of a part as a table, ready to be written."""

    name: str
    table: pa.Table
    tally: Tally


@dataclass(frozen=True)
class UnscoredPart:
    """A part to score.

    `pairs` are all of its pairs. `to_score` are those that need a score, with their images.
    `settled` holds the scores of the others, by key, from an earlier run.
    """

    name: str
    pairs: Sequence[Pair]
    to_score: Sequence[tuple[Pair, Image]]
    settled: Mapping[bytes, Score]


class PartHandler(ModelHandler[str, ScoredPart, Scorer]):  # type: ignore[misc]
    """Scores parts by name, a few at a time.

    Models are loaded once a process. A row that cannot be scored fails alone.
    """

    def __init__(
        self, settings: ScoreSettings, detectors: Sequence[Detector], folders: ScoreFolders
    ) -> None:
        number = CPU_PARTS if settings.encoder.device == "cpu" else DEVICE_PARTS
        # With both limits equal Beam does not try other sizes by the time that they take.
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
            unscored_parts = [self._read(name) for name in batch]
            # The rows of all parts go through the models together, so that batches are full.
            rows = [row for part in unscored_parts for row in part.to_score]
            pairs = [pair for pair, _ in rows]
            images = [image for _, image in rows]
            read_picture = self._picture_reader(unscored_parts, stack)
            scores = score_rows(pairs, images, read_picture, model)
        new_scores = {score.key: score for score in scores}
        _measure(model, time.perf_counter() - started)
        for part in unscored_parts:
            with WorkingOn(part.name):
                scored = self._scored(part, new_scores)
            yield scored

    def _read(self, name: str) -> UnscoredPart:
        pairs = from_table(parts.read_part(self._folders.pairs, name), Pair, PAIR_SCHEMA)
        images = from_table(parts.read_part(self._folders.images, name), Image, IMAGE_SCHEMA)
        settled = settled_scores(
            self._folders.before,
            name,
            {image.key: image for image in images},
            self._settings.looking,
        )
        rows = zip(pairs, images, strict=True)
        to_score = [(pair, image) for pair, image in rows if pair.key not in settled]
        return UnscoredPart(name, pairs, to_score, settled)

    def _scored(self, part: UnscoredPart, new_scores: Mapping[bytes, Score]) -> ScoredPart:
        scores = []
        for pair in part.pairs:
            score = part.settled.get(pair.key)
            if score is None:
                score = new_scores[pair.key]
            scores.append(score)
        tally = tally_of(map(score_outcome, scores))

        detectors = needing(self._detectors, Needs.IMAGE, Needs.EMBEDDING)
        columns = evidence_columns(detectors)
        table = to_table(scores, schema_with(SCORE_SCHEMA, columns))
        return ScoredPart(part.name, table, tally)

    def _picture_reader(
        self, unscored_parts: Sequence[UnscoredPart], stack: ExitStack
    ) -> Callable[[Image], bytes]:
        """The function that returns the bytes of an image.

        It reads them from the archive if they stayed there, else from the picture store of the
        part. `stack` keeps archive and stores open.
        """
        archives = stack.enter_context(closing(ArchiveReader(self._settings.archive)))
        stores: dict[bytes, parts.PictureReader] = {}
        for part in unscored_parts:
            stored = [image.key for _, image in part.to_score if _is_stored(image)]
            if not stored:
                continue  # a part without stored pictures has no store
            store = stack.enter_context(parts.open_pictures(self._folders.pictures, part.name))
            for key in stored:
                stores[key] = store

        def read(image: Image) -> bytes:
            if image.warc_file is not None and image.record_offset is not None:
                _, content = archives.read_at(image.warc_file, image.record_offset)
                return content
            if image.sha256 is None:
                raise KeyError("an image without bytes")
            return stores[image.key].read(image.sha256)

        return read

    def get_num_bytes(self, batch: Sequence[str]) -> int:
        # Of the names alone: Beam only reports the number.
        return sum(map(len, batch))

    def get_metrics_namespace(self) -> str:
        return NAMESPACE


def _is_stored(image: Image) -> bool:
    """Whether the bytes of an image are in the picture store of its part."""
    return bool(image.sha256) and image.warc_file is None


def load_scorer(settings: ScoreSettings, detectors: Sequence[Detector]) -> Scorer:
    """Load models and detectors. Raises ModelError."""
    with collector_paused():
        import torch

        from pairsieve.clip.encoder import load_encoder
        from pairsieve.clip.passes import open_passes

    # With more threads in one pass the last digits of a result would depend on their number.
    torch.set_num_threads(1)
    # All models share the threads that the config gives a worker.
    passes = open_passes(settings.encoder.passes)
    encoders = {
        name: load_encoder(settings.models[name], identity, settings.encoder, passes)
        for name, identity in settings.identities.items()
    }
    picture_detectors = needing(detectors, Needs.IMAGE)
    cheap = [detector for detector in picture_detectors if not is_costly(detector)]
    cores = os.cpu_count()
    return Scorer(
        encoders=encoders,
        routes=settings.routes,
        decode=settings.decode,
        detect_from=settings.looking.detect_from,
        detect_timeout_s=settings.detect_timeout_s,
        keep_embeddings=settings.keep_embeddings,
        # None, so that no copy of a picture is made that nobody looks at.
        observe_picture=load_all(cheap) if picture_detectors else None,
        costly=load_costly(settings, picture_detectors),
        observe_embedding=load_all(needing(detectors, Needs.EMBEDDING)),
        executor=ThreadPoolExecutor(max_workers=cores),
        processes=Processes(settings.decode_processes or cores or 1),
    )


def load_costly(settings: ScoreSettings, picture_detectors: Sequence[Detector]) -> Costly | None:
    """Load the costly detectors, with what spares them pictures; None where there are none."""
    detectors = list(filter(is_costly, picture_detectors))
    if not detectors:
        return None
    rules = {digest_of(rule): rule for rule in settings.sparing}
    prospects = Prospects(settings.looking.costly_from, rules)
    return Costly(load_all(detectors), frozenset(evidence_columns(detectors)), prospects)


def _measure(scorer: Scorer, seconds: float) -> None:
    """Count the seconds of scoring, those inside models, and the rows of each batch, in Beam.

    The difference between the two shows an idle accelerator. Where several passes run side by side,
    the seconds inside models are their mean.
    """
    Metrics.counter(NAMESPACE, "score_ms").inc(round(1000 * seconds))
    for encoder in scorer.encoders.values():
        busy_s = encoder.meter.busy_s / encoder.passes
        Metrics.counter(NAMESPACE, "model_ms").inc(round(1000 * busy_s))
        for rows in encoder.meter.batches:
            Metrics.distribution(NAMESPACE, "batch_rows").update(rows)
        encoder.meter.reset()


def score_outcome(score: Score) -> Rejection | Counted:
    """How a score is counted."""
    if score.errors:
        return Rejection("pair", f"error:{score.errors[0]}", "quarantined")
    if score.status != "ok":
        return Rejection("pair", score.status)
    return Counted("pair", "kept")
