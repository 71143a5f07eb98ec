"""Score one part: each distinct picture is decoded and embedded once, each distinct caption embedded once."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from clip.encoder import Encoder
from filters.attempt import Failure, attempt
from filters.detector import Observe
from filters.subjects import Embedding, Picture
from images.decode import DecodeSettings, Undecodable
from images.prepare import Prepared, Square, prepare
from images.processes import Crashed, Processes, Task
from records.pair import Evidence, Pair
from records.sample import Image, Score

AHEAD = 2  # batches that are decoded while one is in the model
PICTURE_SIDE = 640  # pixels of the longer side that detectors see: faces are found from about 10 pixels on

Vector = NDArray[np.float32]
Item = TypeVar("Item")
Pairs = Mapping[str, list[Pair]]
"""Model -> the pairs of one picture that it scores."""


@dataclass(frozen=True)
class Scorer:
    """Loaded models and detectors. `routes` names the model of each subset; `detect_from` is the similarity from which
    picture detectors run, since what is less similar cannot be published.

    Pictures are decoded in `processes`, detectors run on the threads of `executor`, while the model has the next batch.
    """

    encoders: Mapping[str, Encoder]
    routes: Mapping[str, str]
    decode: DecodeSettings
    detect_from: float
    keep_embeddings: bool
    observe_picture: Observe | None
    observe_embedding: Observe
    executor: Executor
    processes: Processes

    @property
    def squares(self) -> tuple[Square, ...]:
        """What the models need of a picture, each once."""
        return tuple(dict.fromkeys(encoder.square for encoder in self.encoders.values()))

    @property
    def depth(self) -> int:
        """Pictures that are made ready ahead of the model."""
        return AHEAD * max(encoder.batch_size for encoder in self.encoders.values())


@dataclass(frozen=True, slots=True)
class Ready:
    """A picture made ready, or the status of what cannot be."""

    image: Image
    found: Prepared | Undecodable


@dataclass(frozen=True, slots=True)
class Embedded:
    """A picture that went through a model, with what its detectors are finding."""

    ready: Ready
    pairs: Sequence[Pair]
    similarities: Sequence[float]
    vector: Vector
    encoder: Encoder
    observed: Sequence[Future[Evidence | Failure]]


def score_part(pairs: Sequence[Pair], images: Sequence[Image], read: Callable[[Image], bytes], scorer: Scorer) -> list[Score]:
    """The score of each pair, in the order of the pairs. `read` gives the bytes of an image that `fetch` found.

    Distinct pictures are looked at in the order of their hashes, so that the same part gives the same batches.
    """
    scores = {pair.key: Score(pair.key, "no_image") for pair in pairs}
    shown: dict[str, dict[str, list[Pair]]] = {}
    sources: dict[str, Image] = {}
    for pair, image in zip(pairs, images, strict=True):
        if image.status == "ok" and image.sha256:
            sources.setdefault(image.sha256, image)
            shown.setdefault(image.sha256, {}).setdefault(scorer.routes[pair.subset], []).append(pair)
    pictures = _made_ready([sources[sha256] for sha256 in sorted(sources)], read, scorer)
    captions = _caption_vectors(shown.values(), scorer)
    for score in _scores(pictures, shown, captions, scorer):
        scores[score.key] = score
    return [scores[pair.key] for pair in pairs]


def _made_ready(images: Sequence[Image], read: Callable[[Image], bytes], scorer: Scorer) -> Iterator[Ready]:
    """Pictures in order; the first ones are under way when this returns."""
    small_side = PICTURE_SIDE if scorer.observe_picture else None
    processes = scorer.processes

    def start(image: Image) -> tuple[Image, Task[Prepared | Undecodable] | None]:
        content = attempt(read, image)
        failed = isinstance(content, Failure)
        return image, None if failed else processes.submit(prepare, content, scorer.decode, scorer.squares, small_side)

    def finish(started: tuple[Image, Task[Prepared | Undecodable] | None]) -> Ready:
        image, task = started
        if task is None:
            return Ready(image, Undecodable("unreadable"))
        decoded = processes.result(task)
        return Ready(image, Undecodable("decoder_crashed") if isinstance(decoded, Crashed) else decoded)

    return ahead(images, start, finish, scorer.depth)


Started = TypeVar("Started")
Finished = TypeVar("Finished")


def ahead(items: Iterable[Item], start: Callable[[Item], Started], finish: Callable[[Started], Finished], depth: int) -> Iterator[Finished]:
    """Results in order, with up to `depth` of them under way, from this call on."""
    waiting = iter(items)
    running = deque(start(item) for item in islice(waiting, depth))

    def results() -> Iterator[Finished]:
        while running:
            found = finish(running.popleft())
            running.extend(start(item) for item in islice(waiting, 1))
            yield found

    return results()


def _caption_vectors(shown: Iterable[Pairs], scorer: Scorer) -> dict[tuple[str, str], Vector]:
    """(model, caption) -> unit vector."""
    texts: dict[str, set[str]] = {}
    for pairs_of in shown:
        for name, pairs in pairs_of.items():
            texts.setdefault(name, set()).update(pair.caption for pair in pairs)
    vectors: dict[tuple[str, str], Vector] = {}
    for name, captions in texts.items():
        ordered = sorted(captions)
        vectors |= {(name, caption): vector for caption, vector in zip(ordered, scorer.encoders[name].texts(ordered), strict=True)}
    return vectors


def _scores(
    pictures: Iterable[Ready], shown: Mapping[str, Pairs], captions: Mapping[tuple[str, str], Vector], scorer: Scorer
) -> Iterator[Score]:
    """Scores of every batch, once its detectors are done: those work while the model has the next batch."""
    embedded: list[Embedded] = []
    for name, batch in _batches(pictures, shown, scorer):
        if name is None:
            yield from _not_scored(batch, shown)
            continue
        found = list(_embedded(name, batch, shown, captions, scorer))
        for picture in embedded:
            yield from _finished(picture, scorer)
        embedded = found
    for picture in embedded:
        yield from _finished(picture, scorer)


def _not_scored(batch: Sequence[Ready], shown: Mapping[str, Pairs]) -> Iterator[Score]:
    for picture in batch:
        assert isinstance(picture.found, Undecodable)
        for pairs in shown[picture.image.sha256 or ""].values():
            yield from (Score(pair.key, picture.found.reason) for pair in pairs)


def _batches(pictures: Iterable[Ready], shown: Mapping[str, Pairs], scorer: Scorer) -> Iterator[tuple[str | None, list[Ready]]]:
    """(model, full batch of its pictures); the last ones shorter; (None, [picture]) for what cannot be judged."""
    gathered: dict[str, list[Ready]] = {}
    for picture in pictures:
        if isinstance(picture.found, Undecodable):
            yield None, [picture]
            continue
        for name in shown[picture.image.sha256 or ""]:
            gathered.setdefault(name, []).append(picture)
            if len(gathered[name]) == scorer.encoders[name].batch_size:
                yield name, gathered.pop(name)
    yield from gathered.items()


def _embedded(
    name: str, batch: Sequence[Ready], shown: Mapping[str, Pairs], captions: Mapping[tuple[str, str], Vector], scorer: Scorer
) -> Iterator[Embedded]:
    encoder = scorer.encoders[name]
    place = scorer.squares.index(encoder.square)
    vectors = encoder.pictures([picture.found.squares[place] for picture in batch if isinstance(picture.found, Prepared)])
    for picture, vector in zip(batch, vectors, strict=True):
        pairs = shown[picture.image.sha256 or ""][name]
        similarities = [float(vector @ captions[name, pair.caption]) for pair in pairs]
        observed = tuple(_observed(picture, vector, max(similarities), encoder, scorer))
        yield Embedded(picture, pairs, similarities, vector, encoder, observed)


def _observed(picture: Ready, vector: Vector, similarity: float, encoder: Encoder, scorer: Scorer) -> Iterator[Future[Evidence | Failure]]:
    """What detectors find; those that look at pixels do so on another thread."""
    at_once: Future[Evidence | Failure] = Future()
    at_once.set_result(attempt(scorer.observe_embedding, Embedding(vector, encoder.prompts, encoder.logit_scale)))
    yield at_once
    small = picture.found.small if isinstance(picture.found, Prepared) else None
    if scorer.observe_picture and small is not None and similarity >= scorer.detect_from:
        yield scorer.executor.submit(partial(attempt, scorer.observe_picture), Picture(PillowImage.fromarray(small)))


def _finished(picture: Embedded, scorer: Scorer) -> Iterator[Score]:
    image, found = picture.ready.image, picture.ready.found
    assert isinstance(found, Prepared)
    observed = [future.result() for future in picture.observed]
    evidence = {name: value for part in observed if not isinstance(part, Failure) for name, value in part.items()}
    errors = tuple(part.error for part in observed if isinstance(part, Failure))
    for pair, similarity in zip(picture.pairs, picture.similarities, strict=True):
        if not math.isfinite(similarity):
            yield Score(pair.key, "similarity_not_finite")
            continue
        yield Score(
            key=pair.key,
            status="ok",
            width=image.original_width or found.width,
            height=image.original_height or found.height,
            format=image.original_format or found.format,
            similarity=similarity,
            model=str(picture.encoder.identity),
            precision=picture.encoder.precision,
            embedding=tuple(picture.vector.tolist()) if scorer.keep_embeddings else None,
            errors=errors,
            evidence=evidence,
        )
