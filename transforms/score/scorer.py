"""Computes the score rows of pairs: similarity, embedding, and what detectors find in the picture.

Each distinct picture is decoded and embedded once, and each distinct caption is embedded once. The
results of a picture are cached for later parts, because web pages and crawls repeat pictures.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray
from PIL import Image as PillowImage

from filters.detector import Observe
from filters.subjects import Embedding, Picture
from pairsieve.attempt import Failure, attempt
from pairsieve.images.decode import DecodeSettings, Undecodable
from pairsieve.images.prepare import Pixels, Prepared, Square, prepare
from pairsieve.images.processes import Crashed, Processes, Task
from pairsieve.records.pair import Evidence, Pair, evidence_of_caption
from pairsieve.records.sample import Image, Sample, Score
from transforms.score.prospects import Prospects

if TYPE_CHECKING:
    from pairsieve.clip.encoder import Encoder

# Batches of pictures that are decoded while the model works on one batch.
BATCHES_AHEAD = 2

# Pictures whose vectors and evidence are cached between parts: 60 MB at 512 dimensions.
CACHED_PICTURES = 30_000

# Pixels of the longer side of the copy that detectors get. Faces are found from about 10 pixels on.
PICTURE_SIDE = 640

Vector = NDArray[np.float32]
PairsByModel = Mapping[str, list[Pair]]
"""Name of a model -> the pairs of one picture that it scores."""

Item = TypeVar("Item")
Started = TypeVar("Started")
Finished = TypeVar("Finished")


@dataclass(frozen=True, slots=True)
class KnownPicture:
    """A picture's size, format, vectors and evidence, as cached.

    `width`, `height` and `format` are those of its file. `vectors` holds its unit vector by model.
    `evidence` is what picture detectors found; None if they have not looked.
    """

    width: int
    height: int
    format: str
    vectors: Mapping[str, Vector]
    evidence: Evidence | None = None


@dataclass(frozen=True)
class Costly:
    """Detectors that look only at pictures of pairs that could still be published.

    `columns` are the names of what they observe.
    """

    observe: Observe
    columns: frozenset[str]
    prospects: Prospects


@dataclass(frozen=True)
class Scorer:
    """Loaded models and detectors.

    `routes` names the model of each subset. `detect_from` is the lowest similarity at which picture
    detectors run: a less similar pair cannot be published. `costly` are those of them that look
    last, and only where it can still matter.

    Pictures are decoded in `processes`. Picture detectors run on the threads of `executor` while
    the model has the next batch.
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
    costly: Costly | None = None
    detect_timeout_s: float = 120.0
    known: MutableMapping[str, KnownPicture] = field(
        default_factory=lambda: LRUCache(CACHED_PICTURES)
    )

    @property
    def squares(self) -> tuple[Square, ...]:
        """The distinct squares that the models need of each picture."""
        return tuple(dict.fromkeys(encoder.square for encoder in self.encoders.values()))

    @property
    def depth(self) -> int:
        """How many pictures are decoded ahead of the model."""
        return BATCHES_AHEAD * max(encoder.batch_size for encoder in self.encoders.values())


@dataclass(frozen=True, slots=True)
class DecodedPicture:
    """An image, and its prepared pixels or why there are none."""

    image: Image
    result: Prepared | Undecodable | Failure


@dataclass(frozen=True, slots=True)
class EmbeddedPicture:
    """A picture with its vector by one model, compared with the captions of its pairs.

    `embedding_evidence` is what embedding detectors found. `picture_evidence` is what picture
    detectors find, on another thread; None if they do not look at this picture.
    """

    image: Image
    model: str
    known: KnownPicture
    pairs: Sequence[Pair]
    similarities: Sequence[float]
    embedding_evidence: Evidence | Failure
    picture_evidence: Future[Evidence | Failure] | None


def score_rows(
    pairs: Sequence[Pair], images: Sequence[Image], read: Callable[[Image], bytes], scorer: Scorer
) -> list[Score]:
    """The score of each pair, in the order of the pairs.

    `read` returns the bytes of an image. Distinct pictures are taken in the order of their hashes,
    so that the same rows give the same batches.
    """
    # What has no picture keeps this status.
    scores = {pair.key: Score(pair.key, "no_image") for pair in pairs}
    pairs_by_picture, images_by_picture = _by_picture(pairs, images, scorer.routes)
    known = _known_pictures(pairs_by_picture, scorer)

    # Start decoding new pictures first, so that captions are embedded in the meantime.
    new = sorted(pairs_by_picture.keys() - known.keys())
    decoded = _decode_ahead([images_by_picture[sha256] for sha256 in new], read, scorer)
    caption_vectors = _caption_vectors(pairs_by_picture.values(), scorer)
    images_by_key = {image.key: image for image in images}
    comparison = Comparison(pairs_by_picture, images_by_key, caption_vectors, scorer)

    complete: list[EmbeddedPicture] = []
    to_decode_again: set[str] = set()
    for sha256, picture in known.items():
        for model in pairs_by_picture[sha256]:
            embedded = comparison.compare(images_by_picture[sha256], model, picture)
            if comparison.needs_pixels(embedded):
                to_decode_again.add(sha256)
            else:
                complete.append(embedded)
    # If one model needs the pixels, the picture is scored again for all of its models.
    complete = [embedded for embedded in complete if embedded.image.sha256 not in to_decode_again]
    again = [images_by_picture[sha256] for sha256 in sorted(to_decode_again)]
    decoded_again = _decode_ahead(again, read, scorer)

    for embedded in complete:
        for score in _finished_scores(embedded, comparison):
            scores[score.key] = score
    for score in _scores(chain(decoded, decoded_again), comparison):
        scores[score.key] = score
    return [scores[pair.key] for pair in pairs]


def _by_picture(
    pairs: Sequence[Pair], images: Sequence[Image], routes: Mapping[str, str]
) -> tuple[dict[str, dict[str, list[Pair]]], dict[str, Image]]:
    """By sha256, in its order: the pairs that show a picture, by model; and one of its images."""
    pairs_by_picture: dict[str, dict[str, list[Pair]]] = {}
    images_by_picture: dict[str, Image] = {}
    for pair, image in zip(pairs, images, strict=True):
        if image.status != "ok" or not image.sha256:
            continue
        images_by_picture.setdefault(image.sha256, image)
        pairs_by_model = pairs_by_picture.setdefault(image.sha256, {})
        pairs_by_model.setdefault(routes[pair.subset], []).append(pair)
    # Sorted, so that batches do not depend on the order of the pairs.
    return dict(sorted(pairs_by_picture.items())), images_by_picture


def _known_pictures(
    pairs_by_picture: Mapping[str, PairsByModel], scorer: Scorer
) -> dict[str, KnownPicture]:
    """By sha256: the cached pictures that have a vector by each model that is needed."""
    known = {}
    for sha256, pairs_by_model in pairs_by_picture.items():
        picture = scorer.known.get(sha256)
        if picture is not None and picture.vectors.keys() >= pairs_by_model.keys():
            known[sha256] = picture
    return known


def _decode_ahead(
    images: Sequence[Image], read: Callable[[Image], bytes], scorer: Scorer
) -> Iterator[DecodedPicture]:
    """Decode pictures, in order. The first ones are started before this function returns."""
    # Detectors need a copy of the picture; without them it is not made.
    small_side = PICTURE_SIDE if scorer.observe_picture else None
    processes = scorer.processes

    def start(image: Image) -> tuple[Image, Task[Prepared | Undecodable] | None]:
        content = attempt(read, image, reads_storage=True)
        if isinstance(content, Failure):
            return image, None
        task = processes.submit(prepare, content, scorer.decode, scorer.squares, small_side)
        return image, task

    def finish(started: tuple[Image, Task[Prepared | Undecodable] | None]) -> DecodedPicture:
        image, task = started
        if task is None:
            return DecodedPicture(image, Undecodable("unreadable"))
        # The decoding process has its own network guard, so none is needed here.
        result = attempt(processes.result, task, reads_storage=True)
        if isinstance(result, Crashed):
            return DecodedPicture(image, Undecodable("decoder_crashed"))
        return DecodedPicture(image, result)

    return ahead(images, start, finish, scorer.depth)


def ahead(
    items: Iterable[Item],
    start: Callable[[Item], Started],
    finish: Callable[[Started], Finished],
    depth: int,
) -> Iterator[Finished]:
    """Results in order, with up to `depth` items under way. The first are started by this call."""
    waiting = iter(items)
    running = deque(start(item) for item in islice(waiting, depth))

    # An inner generator, because a generator function would start nothing before it is iterated.
    def results() -> Iterator[Finished]:
        while running:
            result = finish(running.popleft())
            for item in islice(waiting, 1):
                running.append(start(item))
            yield result

    return results()


def _caption_vectors(
    pairs_of_pictures: Iterable[PairsByModel], scorer: Scorer
) -> dict[tuple[str, str], Vector]:
    """(model, caption) -> unit vector, for each distinct caption."""
    captions_by_model: dict[str, set[str]] = {}
    for pairs_by_model in pairs_of_pictures:
        for model, pairs in pairs_by_model.items():
            captions = captions_by_model.setdefault(model, set())
            captions.update(pair.caption for pair in pairs)
    vectors: dict[tuple[str, str], Vector] = {}
    for model, captions in captions_by_model.items():
        # A set has another order in each process, and batches must be the same.
        in_order = sorted(captions)
        rows = scorer.encoders[model].texts(in_order)
        for caption, vector in zip(in_order, rows, strict=True):
            vectors[model, caption] = vector
    return vectors


@dataclass(frozen=True)
class Comparison:
    """Compares pictures with the captions of their pairs.

    `pairs_by_picture` holds the pairs of each picture (by sha256), by model. `images_by_key` holds
    the image of each pair, and `caption_vectors` the unit vector of each (model, caption).
    """

    pairs_by_picture: Mapping[str, PairsByModel]
    images_by_key: Mapping[bytes, Image]
    caption_vectors: Mapping[tuple[str, str], Vector]
    scorer: Scorer

    def pairs_of(self, image: Image) -> PairsByModel:
        """The pairs of a picture, by model."""
        return self.pairs_by_picture[image.sha256 or ""]

    def compare(
        self, image: Image, model: str, known: KnownPicture, small: Pixels | None = None
    ) -> EmbeddedPicture:
        """Compute the similarities of a picture, and start its detectors.

        `small` is the copy for picture detectors. They run on another thread. An error in a
        detector becomes a Failure and stops nothing.
        """
        scorer = self.scorer
        pairs = self.pairs_of(image)[model]
        vector = known.vectors[model]
        similarities = [float(vector @ self.caption_vectors[model, pair.caption]) for pair in pairs]
        encoder = scorer.encoders[model]
        embedding = Embedding(vector, encoder.prompts, encoder.logit_scale, str(encoder.identity))
        embedding_evidence = attempt(scorer.observe_embedding, embedding)
        embedded = EmbeddedPicture(
            image, model, known, pairs, similarities, embedding_evidence, None
        )
        if scorer.observe_picture and max(similarities) >= scorer.detect_from:
            looking = self._start_detectors(scorer.observe_picture, embedded, small)
            return replace(embedded, picture_evidence=looking)
        return embedded

    def _start_detectors(
        self, observe: Observe, embedded: EmbeddedPicture, small: Pixels | None
    ) -> Future[Evidence | Failure]:
        """Run picture detectors, or take their earlier evidence.

        The future of a known picture that detectors have not seen never ends; see `needs_pixels`.
        """
        if small is not None:
            picture = Picture(PillowImage.fromarray(small))
            look = partial(self._look, observe, embedded)
            return self.scorer.executor.submit(partial(attempt, look), picture)
        earlier: Future[Evidence | Failure] = Future()
        known = embedded.known.evidence
        if known is not None and not self._lacks_costly(embedded, known):
            earlier.set_result(known)
        return earlier

    def _look(self, observe: Observe, embedded: EmbeddedPicture, picture: Picture) -> Evidence:
        """Run the detectors on a picture, and the costly ones where a pair may be published."""
        evidence = observe(picture)
        if self.scorer.costly is None or all(self.spared_by(embedded, evidence)):
            return evidence
        return {**evidence, **self.scorer.costly.observe(picture)}

    def _lacks_costly(self, embedded: EmbeddedPicture, evidence: Evidence) -> bool:
        """Whether costly detectors must look, and this evidence is without theirs."""
        costly = self.scorer.costly
        if costly is None or evidence.keys() >= costly.columns:
            return False
        return not all(self.spared_by(embedded, evidence))

    def spared_by(self, embedded: EmbeddedPicture, evidence: Evidence) -> list[str | None]:
        """For each pair of a picture, what drops it on this evidence; None where nothing does.

        Without costly detectors nothing is asked.
        """
        costly = self.scorer.costly
        if costly is None:
            return [None] * len(embedded.pairs)
        found = dict(evidence)
        if not isinstance(embedded.embedding_evidence, Failure):
            found |= embedded.embedding_evidence
        # every pair is judged as if costly detectors had not looked because of another one
        cheap = {name: value for name, value in found.items() if name not in costly.columns}
        reasons = []
        for pair, similarity in zip(embedded.pairs, embedded.similarities, strict=True):
            score = _score_of(embedded, self.scorer, pair, similarity, cheap)
            sample = Sample(pair, self.images_by_key[pair.key], score)
            reasons.append(costly.prospects.spared_by(sample))
        return reasons

    def needs_pixels(self, picture: EmbeddedPicture) -> bool:
        """Whether picture detectors must look at a known picture that they have not seen yet."""
        return picture.picture_evidence is not None and not picture.picture_evidence.done()


def _scores(pictures: Iterable[DecodedPicture], comparison: Comparison) -> Iterator[Score]:
    """The scores of all pictures, batch by batch.

    The scores of a batch come after the next batch has gone through the model, so that its
    detectors have time to finish.
    """
    previous: list[EmbeddedPicture] = []
    for model, batch in _batches(pictures, comparison):
        if model is None:
            yield from _failed_scores(batch, comparison)
            continue
        embedded = list(_embed(model, batch, comparison))
        for picture in previous:
            yield from _finished_scores(picture, comparison)
        previous = embedded
    for picture in previous:
        yield from _finished_scores(picture, comparison)


def _failed_scores(batch: Sequence[DecodedPicture], comparison: Comparison) -> Iterator[Score]:
    """The scores of pictures that could not be decoded."""
    for picture in batch:
        result = picture.result
        errors: tuple[str, ...] = ()
        if isinstance(result, Failure):
            status = "error"
            errors = (result.error,)
        else:
            assert isinstance(result, Undecodable)
            status = result.reason
        sha256 = picture.image.sha256
        for pairs in comparison.pairs_of(picture.image).values():
            for pair in pairs:
                yield Score(pair.key, status, errors=errors, scored_sha256=sha256)


def _batches(
    pictures: Iterable[DecodedPicture], comparison: Comparison
) -> Iterator[tuple[str | None, list[DecodedPicture]]]:
    """Yield (model, a full batch of its pictures). The last batch of a model may be shorter.

    A picture that could not be decoded comes alone, as (None, [picture]).
    """
    encoders = comparison.scorer.encoders
    waiting: dict[str, list[DecodedPicture]] = {}
    for picture in pictures:
        if isinstance(picture.result, Undecodable | Failure):
            yield None, [picture]
            continue
        for model in comparison.pairs_of(picture.image):
            batch = waiting.setdefault(model, [])
            batch.append(picture)
            if len(batch) == encoders[model].batch_size:
                yield model, waiting.pop(model)
    yield from waiting.items()


def _embed(
    model: str, batch: Sequence[DecodedPicture], comparison: Comparison
) -> Iterator[EmbeddedPicture]:
    """Run a batch through a model, and compare each picture with its captions."""
    scorer = comparison.scorer
    encoder = scorer.encoders[model]
    square_index = scorer.squares.index(encoder.square)
    prepared = [picture.result for picture in batch if isinstance(picture.result, Prepared)]
    vectors = encoder.pictures([pixels.squares[square_index] for pixels in prepared])
    for picture, pixels, vector in zip(batch, prepared, vectors, strict=True):
        known = KnownPicture(pixels.width, pixels.height, pixels.format, {model: vector})
        yield comparison.compare(picture.image, model, known, pixels.small)


def _finished_scores(picture: EmbeddedPicture, comparison: Comparison) -> Iterator[Score]:
    """Wait for the detectors of a picture, cache what is known, and yield the scores."""
    scorer = comparison.scorer
    picture_evidence = None
    if picture.picture_evidence is not None:
        picture_evidence = _wait(picture.picture_evidence, scorer.detect_timeout_s)
    _remember(picture, picture_evidence, scorer)

    spared: list[str | None] = [None] * len(picture.pairs)
    if picture_evidence and not isinstance(picture_evidence, Failure):
        spared = comparison.spared_by(picture, picture_evidence)

    embedding = None
    if scorer.keep_embeddings:
        embedding = picture.known.vectors[picture.model].astype(np.float16)
    rows = zip(picture.pairs, picture.similarities, spared, strict=True)
    for pair, similarity, spared_by in rows:
        if not math.isfinite(similarity):
            yield Score(pair.key, "similarity_not_finite", scored_sha256=picture.image.sha256)
            continue
        is_looked_at = picture_evidence is not None and similarity >= scorer.detect_from
        of_picture = _evidence_of(picture_evidence, spared_by, scorer) if is_looked_at else None
        evidence: dict[str, object] = {}
        errors: list[str] = []
        for observed in (picture.embedding_evidence, of_picture):
            if isinstance(observed, Failure):
                errors.append(observed.error)
            elif observed is not None:
                evidence |= observed
        score = _score_of(picture, scorer, pair, similarity, evidence)
        yield replace(
            score,
            embedding=embedding,
            errors=(*errors, *score.errors),
            looked_at=is_looked_at,
            spared_by=spared_by if is_looked_at else None,
        )


def _evidence_of(
    picture_evidence: Evidence | Failure | None, spared_by: str | None, scorer: Scorer
) -> Evidence | Failure | None:
    """The evidence of a picture, as a pair would get it if it were the only pair of the picture.

    The runner decides which pairs of a picture are scored together, and that must not show.
    """
    if spared_by is None or scorer.costly is None or isinstance(picture_evidence, Failure):
        return picture_evidence
    hidden = scorer.costly.columns
    return {name: value for name, value in (picture_evidence or {}).items() if name not in hidden}


def _score_of(
    picture: EmbeddedPicture, scorer: Scorer, pair: Pair, similarity: float, evidence: Evidence
) -> Score:
    """The score of one pair of a picture."""
    image, known = picture.image, picture.known
    encoder = scorer.encoders[picture.model]
    of_pair = attempt(partial(evidence_of_caption, evidence), pair.caption)
    return Score(
        key=pair.key,
        status="ok",
        scored_sha256=image.sha256,
        # A stored picture may have been reduced; then the image holds the size as served.
        width=image.original_width or known.width,
        height=image.original_height or known.height,
        format=image.original_format or known.format,
        similarity=similarity,
        model=str(encoder.identity),
        precision=encoder.precision,
        errors=(of_pair.error,) if isinstance(of_pair, Failure) else (),
        evidence={} if isinstance(of_pair, Failure) else of_pair,
    )


def _wait(observing: Future[Evidence | Failure], seconds: float) -> Evidence | Failure:
    """The evidence of detectors, or a Failure when they take too long.

    Their thread goes on: a thread cannot be stopped from outside.
    """
    try:
        return observing.result(seconds)
    except TimeoutError:
        return Failure("TimeoutError")


def _remember(
    picture: EmbeddedPicture, picture_evidence: Evidence | Failure | None, scorer: Scorer
) -> None:
    """Add a picture's vector and evidence to the cache.

    The evidence of a detector that failed is not cached: it looks again when the picture returns.
    """
    sha256 = picture.image.sha256 or ""
    vectors = dict(picture.known.vectors)
    evidence = None if isinstance(picture_evidence, Failure) else picture_evidence
    earlier = scorer.known.get(sha256)
    if earlier is not None:
        vectors = {**earlier.vectors, **vectors}
        # costly detectors may have looked then, and not now
        if evidence is None or len(earlier.evidence or ()) > len(evidence):
            evidence = earlier.evidence
    scorer.known[sha256] = replace(picture.known, vectors=vectors, evidence=evidence)
