"""Score one part: each distinct picture is decoded and embedded once, each distinct caption embedded once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from clip.model import Encoder
from filters.attempt import Failure, attempt
from filters.detector import Observe
from filters.subjects import Embedding, Picture
from images.decode import Decoded, DecodeSettings, Undecodable, decode
from records.pair import Evidence, Pair
from records.sample import Image, Score

AHEAD = 2  # batches that are decoded while one is in the model

Vector = NDArray[np.float32]
Item = TypeVar("Item")


@dataclass(frozen=True)
class Scorer:
    """Loaded models and detectors. `routes` names the model of each subset; `detect_from` is the similarity from which
    picture detectors run, since what is less similar cannot be published."""

    encoders: Mapping[str, Encoder]
    routes: Mapping[str, str]
    decode: DecodeSettings
    detect_from: float
    keep_embeddings: bool
    observe_picture: Observe
    observe_embedding: Observe
    executor: Executor

    @property
    def batch_size(self) -> int:
        return next(iter(self.encoders.values())).batch_size


@dataclass(frozen=True, slots=True)
class Prepared:
    """A picture's pixels, and the tensor that each model that needs it takes."""

    sha256: str
    image: Image
    decoded: Decoded | Undecodable
    tensors: Mapping[str, Tensor]


def score_part(pairs: Sequence[Pair], images: Sequence[Image], read: Callable[[Image], bytes], scorer: Scorer) -> list[Score]:
    """The score of each pair, in the order of the pairs. `read` gives the bytes of an image that `fetch` found.

    Pictures go through the models in the order of their sha256, so that a part's batches, and so its last digits,
    depend on its content alone.
    """
    scores = {image.key: Score(image.key, "no_image") for image in images if image.status != "ok"}
    shown: dict[str, list[Pair]] = {}
    sources: dict[str, Image] = {}
    for pair, image in zip(pairs, images, strict=True):
        if image.status == "ok" and image.sha256:
            shown.setdefault(image.sha256, []).append(pair)
            sources.setdefault(image.sha256, image)
    captions = _caption_vectors([pair for group in shown.values() for pair in group], scorer)

    def start(sha256: str) -> Future[Prepared]:
        models = sorted({scorer.routes[pair.subset] for pair in shown[sha256]})
        return scorer.executor.submit(_prepare, sources[sha256], _read(read, sources[sha256]), models, scorer)

    for batch in chunks(ahead(sorted(shown), start, AHEAD * scorer.batch_size), scorer.batch_size):
        for score in _score_batch(batch, shown, captions, scorer):
            scores[score.key] = score
    return [scores[pair.key] for pair in pairs]


def _read(read: Callable[[Image], bytes], image: Image) -> bytes | None:
    content = attempt(read, image)
    return None if isinstance(content, Failure) else content


def ahead(items: Iterable[Item], start: Callable[[Item], Future[Prepared]], depth: int) -> Iterator[Prepared]:
    """Results in order, with up to `depth` of them under way."""
    running: deque[Future[Prepared]] = deque()
    for item in items:
        running.append(start(item))
        if len(running) > depth:
            yield running.popleft().result()
    while running:
        yield running.popleft().result()


def chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of `size`, the last one shorter."""
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _prepare(image: Image, content: bytes | None, models: Sequence[str], scorer: Scorer) -> Prepared:
    decoded = Undecodable("unreadable") if content is None else decode(content, scorer.decode)
    if isinstance(decoded, Undecodable):
        return Prepared(image.sha256 or "", image, decoded, {})
    return Prepared(image.sha256 or "", image, decoded, {name: scorer.encoders[name].preprocess(decoded.image) for name in models})


def _caption_vectors(pairs: Iterable[Pair], scorer: Scorer) -> dict[tuple[str, str], Vector]:
    """(model, caption) -> unit vector."""
    texts: dict[str, set[str]] = {}
    for pair in pairs:
        texts.setdefault(scorer.routes[pair.subset], set()).add(pair.caption)
    vectors: dict[tuple[str, str], Vector] = {}
    for name, captions in texts.items():
        ordered = sorted(captions)
        vectors |= {(name, caption): vector for caption, vector in zip(ordered, scorer.encoders[name].texts(ordered), strict=True)}
    return vectors


def _score_batch(
    batch: Sequence[Prepared], shown: Mapping[str, list[Pair]], captions: Mapping[tuple[str, str], Vector], scorer: Scorer
) -> Iterator[Score]:
    for picture in batch:
        if isinstance(picture.decoded, Undecodable):
            yield from (Score(pair.key, picture.decoded.reason) for pair in shown[picture.sha256])
    for name, encoder in scorer.encoders.items():
        members = [picture for picture in batch if name in picture.tensors]
        vectors: Iterable[Vector] = encoder.pictures([picture.tensors[name] for picture in members]) if members else ()
        for picture, vector in zip(members, vectors, strict=True):
            pairs = [pair for pair in shown[picture.sha256] if scorer.routes[pair.subset] == name]
            similarities = [float(vector @ captions[name, pair.caption]) for pair in pairs]
            yield from _scores(picture, vector, encoder, pairs, similarities, scorer)


def _scores(
    picture: Prepared, vector: Vector, encoder: Encoder, pairs: Sequence[Pair], similarities: Sequence[float], scorer: Scorer
) -> Iterator[Score]:
    decoded, image = picture.decoded, picture.image
    assert isinstance(decoded, Decoded)
    evidence, errors = _observe(decoded, vector, encoder, max(similarities) >= scorer.detect_from, scorer)
    for pair, similarity in zip(pairs, similarities, strict=True):
        yield Score(
            key=pair.key,
            status="ok",
            width=image.original_width or decoded.width,
            height=image.original_height or decoded.height,
            format=image.original_format or decoded.format,
            similarity=similarity,
            model=str(encoder.identity),
            embedding=tuple(vector.tolist()) if scorer.keep_embeddings else None,
            errors=errors,
            evidence=evidence,
        )


def _observe(decoded: Decoded, vector: Vector, encoder: Encoder, dear: bool, scorer: Scorer) -> tuple[Evidence, tuple[str, ...]]:
    """The evidence of a picture's detectors, and the classes of the errors they raised."""
    found = [attempt(scorer.observe_embedding, Embedding(vector, encoder.cached_texts, encoder.logit_scale))]
    if dear:
        found.append(attempt(scorer.observe_picture, Picture(decoded.image)))
    evidence = {name: value for part in found if not isinstance(part, Failure) for name, value in part.items()}
    return evidence, tuple(part.error for part in found if isinstance(part, Failure))
