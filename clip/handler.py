"""The model handler of Beam's RunInference: its element is a part, so that no shuffle follows the scoring."""

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
import torch
from apache_beam.metrics import Metrics
from apache_beam.ml.inference.base import ModelHandler

from archive.source import ArchiveSettings, read_at
from clip.encoder import EncoderSettings, load_encoder
from clip.model import ModelIdentity, ModelSettings
from clip.scorer import Scorer, score_part
from filters.detector import Detector, Needs
from filters.observe import load_all
from filters.registry import evidence_columns, needing
from images.decode import DecodeSettings
from images.processes import Processes
from records.outcome import Counted, Rejection, Tally, tally_of
from records.pair import PAIR_SCHEMA, Pair
from records.sample import IMAGE_SCHEMA, SCORE_SCHEMA, Image, Score
from records.table import from_table, schema_with, to_table
from storage import parts
from storage.settled import settled_scores

LOGGER = logging.getLogger(__name__)
NAMESPACE = "pairsieve"


@dataclass(frozen=True)
class ScoreSettings:
    """Models by name with the identity that the run was started with, the model of each subset, and how they are run.

    `threads` bounds the threads of one worker process inside the model: with more than one the last digits may change.
    """

    models: Mapping[str, ModelSettings]
    identities: Mapping[str, ModelIdentity]
    routes: Mapping[str, str]
    encoder: EncoderSettings
    threads: int
    decode_processes: int | None
    decode: DecodeSettings
    detect_from: float
    detect_timeout_s: float
    keep_embeddings: bool
    archive: ArchiveSettings


@dataclass(frozen=True)
class ScoreFolders:
    """Where pairs, images and picture bytes are, where samples go, and where those are that need not be scored again."""

    pairs: str
    images: str
    pictures: str
    samples: str
    before: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScoredPart:
    """A part's scores, ready to be written."""

    name: str
    table: pa.Table
    tally: Tally


class PartHandler(ModelHandler[str, ScoredPart, Scorer]):  # type: ignore[misc]
    """Scores parts by name. The models are loaded once a process; a row that cannot be scored fails alone."""

    def __init__(self, settings: ScoreSettings, detectors: Sequence[Detector], folders: ScoreFolders) -> None:
        super().__init__(min_batch_size=1, max_batch_size=1)
        self._settings = settings
        self._detectors = detectors
        self._folders = folders

    def load_model(self) -> Scorer:
        scorer = load_scorer(self._settings, self._detectors)
        for encoder in scorer.encoders.values():
            LOGGER.info("%s computes in %s on %s", encoder.identity, encoder.precision, encoder.device)
        return scorer

    def run_inference(self, batch: Sequence[str], model: Scorer, inference_args: dict[str, Any] | None = None) -> Iterator[ScoredPart]:
        for name in batch:
            started = time.perf_counter()
            scored = self._score(name, model)
            _measure(model, time.perf_counter() - started)
            yield scored

    def _score(self, name: str, model: Scorer) -> ScoredPart:
        pairs = from_table(parts.read_part(self._folders.pairs, name), Pair, PAIR_SCHEMA)
        images = from_table(parts.read_part(self._folders.images, name), Image, IMAGE_SCHEMA)
        settled = settled_scores(self._folders.before, name, {image.key: image for image in images}, self._settings.detect_from)
        unsettled = [(pair, image) for pair, image in zip(pairs, images, strict=True) if pair.key not in settled]
        with ExitStack() as stack:
            new = score_part(*_columns(unsettled), self._reader(name, [image for _, image in unsettled], stack), model)
        found = {**settled, **{score.key: score for score in new}}
        scores = [found[pair.key] for pair in pairs]
        schema = schema_with(SCORE_SCHEMA, evidence_columns(needing(self._detectors, Needs.IMAGE, Needs.EMBEDDING)))
        return ScoredPart(name, to_table(scores, schema), tally_of(score_outcome(score) for score in scores))

    def _reader(self, name: str, images: Sequence[Image], stack: ExitStack) -> Callable[[Image], bytes]:
        """The function that gives an image's bytes: from the archive where they stayed there, else from the part's store."""
        stored = any(image.sha256 and image.warc_file is None for image in images)
        pictures = stack.enter_context(parts.open_pictures(self._folders.pictures, name)) if stored else None

        def read(image: Image) -> bytes:
            if image.warc_file is not None and image.record_offset is not None:
                return read_at(image.warc_file, image.record_offset, self._settings.archive)[1]
            if pictures is None or image.sha256 is None:
                raise KeyError("an image without bytes")
            return pictures.read(image.sha256)

        return read

    def get_num_bytes(self, batch: Sequence[str]) -> int:
        return sum(map(len, batch))

    def get_metrics_namespace(self) -> str:
        return NAMESPACE


def load_scorer(settings: ScoreSettings, detectors: Sequence[Detector]) -> Scorer:
    """Load models and detectors. Raises ModelError."""
    torch.set_num_threads(settings.threads)
    encoders = {name: load_encoder(settings.models[name], identity, settings.encoder) for name, identity in settings.identities.items()}
    dear = needing(detectors, Needs.IMAGE)
    return Scorer(
        encoders=encoders,
        routes=settings.routes,
        decode=settings.decode,
        detect_from=settings.detect_from,
        detect_timeout_s=settings.detect_timeout_s,
        keep_embeddings=settings.keep_embeddings,
        observe_picture=load_all(dear) if dear else None,
        observe_embedding=load_all(needing(detectors, Needs.EMBEDDING)),
        executor=ThreadPoolExecutor(max_workers=os.cpu_count()),
        processes=Processes(settings.decode_processes or os.cpu_count() or 1),
    )


def _measure(scorer: Scorer, seconds: float) -> None:
    """Seconds in all and in the models, and the rows of each batch, as Beam metrics: so a device that idles shows."""
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
