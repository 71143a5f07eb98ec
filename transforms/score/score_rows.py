"""Computes the score rows of pairs: similarity, embedding, and what detectors find in the picture.

Each distinct picture is decoded and embedded once, and each distinct caption is embedded once. The
results of a picture are cached for later parts, because web pages and crawls repeat pictures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

import numpy as np

from pairsieve.ahead import ahead
from pairsieve.attempt import Failure
from pairsieve.images.decode import Undecodable
from pairsieve.images.prepare import Prepared
from pairsieve.records.pair import Evidence, Pair
from pairsieve.records.sample import Image, Score
from transforms.score.comparison import Comparison, EmbeddedPicture, PairsByModel, score_of
from transforms.score.decode_ahead import DecodedPicture, decode_ahead
from transforms.score.scorer import KnownPicture, Scorer, Vector, Vectors


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures that go through a model together."""

    model: str
    pictures: Sequence[DecodedPicture]

    @property
    def prepared(self) -> list[Prepared]:
        """The pixels of the pictures."""
        results = (picture.result for picture in self.pictures)
        return [result for result in results if isinstance(result, Prepared)]


def score_rows(
    pairs: Sequence[Pair], images: Sequence[Image], read: Callable[[Image], bytes], scorer: Scorer
) -> list[Score]:
    """The score of each pair, in the order of the pairs.

    `read` returns the bytes of an image. Distinct pictures are taken in the order in which they lie
    in archives, or of their hashes, so that the same rows give the same batches.
    """
    # What has no picture keeps this status.
    scores = {pair.key: Score(pair.key, "no_image") for pair in pairs}
    pairs_by_picture, images_by_picture = _by_picture(pairs, images, scorer.routes)
    known = _known_pictures(pairs_by_picture, scorer)

    # Start decoding new pictures first, so that captions are embedded in the meantime.
    new = sorted(
        (images_by_picture[sha256] for sha256 in pairs_by_picture if sha256 not in known),
        key=_place,
    )
    decoded = decode_ahead(new, read, scorer)
    caption_vectors = _caption_vectors(pairs_by_picture.values(), scorer)
    images_by_key = {image.key: image for image in images}
    comparison = Comparison(pairs_by_picture, images_by_key, caption_vectors, scorer)

    complete: list[EmbeddedPicture] = []
    again: list[Image] = []
    for sha256, picture in known.items():
        image = images_by_picture[sha256]
        by_model = [comparison.compare(image, model, picture) for model in pairs_by_picture[sha256]]
        # If one model needs the pixels, the picture is scored again for all of its models.
        if any(map(comparison.needs_pixels, by_model)):
            again.append(image)
        else:
            complete.extend(by_model)
    decoded_again = decode_ahead(again, read, scorer)

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


def _place(image: Image) -> tuple[str, int, str]:
    """Where a picture lies: archives are read from their start to their end."""
    return image.warc_file or "", image.record_offset or 0, image.sha256 or ""


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


def _scores(pictures: Iterable[DecodedPicture], comparison: Comparison) -> Iterator[Score]:
    """The scores of all pictures, batch by batch.

    The scores of a batch come after the next batch has gone through the model, so that its
    detectors have time to finish.
    """
    scorer = comparison.scorer
    batches = _batches(pictures, comparison)
    start = partial(_start, scorer=scorer)
    finish = partial(_finish, comparison=comparison)
    previous: Sequence[EmbeddedPicture] = ()
    for finished in ahead(batches, start, finish, scorer.batches_under_way):
        if isinstance(finished, DecodedPicture):
            yield from _failed_scores(finished, comparison)
            continue
        for picture in previous:
            yield from _finished_scores(picture, comparison)
        previous = finished
    for picture in previous:
        yield from _finished_scores(picture, comparison)


def _failed_scores(picture: DecodedPicture, comparison: Comparison) -> Iterator[Score]:
    """The scores of a picture that could not be decoded."""
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
) -> Iterator[Batch | DecodedPicture]:
    """Yield full batches of the pictures of each model. The last batch of a model may be shorter.

    A picture that could not be decoded is yielded by itself.
    """
    encoders = comparison.scorer.encoders
    waiting: dict[str, list[DecodedPicture]] = {}
    for picture in pictures:
        if isinstance(picture.result, Undecodable | Failure):
            yield picture
            continue
        for model in comparison.pairs_of(picture.image):
            batch = waiting.setdefault(model, [])
            batch.append(picture)
            if len(batch) == encoders[model].batch_size:
                yield Batch(model, waiting.pop(model))
    for model, batch in waiting.items():
        yield Batch(model, batch)


def _start(
    batch: Batch | DecodedPicture, scorer: Scorer
) -> tuple[Batch, Future[Vectors]] | DecodedPicture:
    """Start a batch on its way through its model."""
    if isinstance(batch, DecodedPicture):
        return batch
    encoder = scorer.encoders[batch.model]
    square_index = scorer.squares.index(encoder.square)
    squares = [pixels.squares[square_index] for pixels in batch.prepared]
    return batch, encoder.start_pictures(squares)


def _finish(
    started: tuple[Batch, Future[Vectors]] | DecodedPicture, comparison: Comparison
) -> list[EmbeddedPicture] | DecodedPicture:
    """Wait for the vectors of a batch, and compare each picture with its captions."""
    if isinstance(started, DecodedPicture):
        return started
    batch, vectors = started
    model = batch.model
    embedded = []
    for picture, pixels, vector in zip(
        batch.pictures, batch.prepared, vectors.result(), strict=True
    ):
        known = KnownPicture(pixels.width, pixels.height, pixels.format, {model: vector})
        embedded.append(comparison.compare(picture.image, model, known, pixels.small))
    return embedded


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
        observed = [picture.embedding_evidence]
        is_looked_at = False
        if picture_evidence is not None and similarity >= scorer.detect_from:
            is_looked_at = True
            observed.append(_evidence_of(picture_evidence, spared_by, scorer))
        evidence, errors = _united(observed)
        score = score_of(picture, scorer, pair, similarity, evidence)
        yield replace(
            score,
            embedding=embedding,
            errors=(*errors, *score.errors),
            looked_at=is_looked_at,
            spared_by=spared_by if is_looked_at else None,
        )


def _united(observed: Iterable[Evidence | Failure]) -> tuple[Evidence, list[str]]:
    """The evidence of all detectors, and the errors of those that failed."""
    evidence: dict[str, object] = {}
    errors = []
    for result in observed:
        if isinstance(result, Failure):
            errors.append(result.error)
        else:
            evidence |= result
    return evidence, errors


def _evidence_of(
    picture_evidence: Evidence | Failure, spared_by: str | None, scorer: Scorer
) -> Evidence | Failure:
    """The evidence of a picture, as a pair would get it if it were the only pair of the picture.

    The runner decides which pairs of a picture are scored together, and that must not show.
    """
    costly = scorer.costly
    if spared_by is None or costly is None or isinstance(picture_evidence, Failure):
        return picture_evidence
    return {name: value for name, value in picture_evidence.items() if name not in costly.columns}


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
