"""Score rows: each distinct picture is decoded and embedded once, each distinct caption embedded
once.

What was learned of a picture is kept for the parts that come after: on a web page, and in a crawl,
pictures return.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from filters.detector import Observe
from filters.subjects import Embedding, Picture
from pairsieve.attempt import Failure, attempt
from pairsieve.clip.kept import Kept
from pairsieve.images.decode import DecodeSettings, Undecodable
from pairsieve.images.prepare import Pixels, Prepared, Square, prepare
from pairsieve.images.processes import Crashed, Processes, Task
from pairsieve.records.pair import Evidence, Pair
from pairsieve.records.sample import Image, Score

if TYPE_CHECKING:
    from pairsieve.clip.encoder import Encoder

AHEAD = 2  # batches that are decoded while one is in the model
KEPT_PICTURES = 30_000  # whose vectors and evidence are kept between parts: 60 MB at 512 dimensions
# pixels of the longer side that detectors see: faces are found from about 10 pixels on
PICTURE_SIDE = 640

Vector = NDArray[np.float32]
Item = TypeVar("Item")
Pairs = Mapping[str, list[Pair]]
"""Model -> the pairs of one picture that it scores."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is kept of a picture: its file's size and format, its vector by each model, what picture
    detectors found if they looked.
    """

    width: int
    height: int
    format: str
    vectors: Mapping[str, Vector]
    evidence: Evidence | None = None


@dataclass(frozen=True)
class Scorer:
    """Loaded models and detectors. `routes` names the model of each subset; `detect_from` is the
    similarity from which picture detectors run, since what is less similar cannot be published.

    Pictures are decoded in `processes`, detectors run on the threads of `executor`, while the model
    has the next batch.
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
    detect_timeout_s: float = 120.0
    seen: Kept[str, Seen] = field(default_factory=lambda: Kept(KEPT_PICTURES))

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
    """A picture made ready, or the status of what cannot be, or what was raised over it."""

    image: Image
    found: Prepared | Undecodable | Failure


@dataclass(frozen=True, slots=True)
class Embedded:
    """A picture with its vector by one model, and what its detectors found or are finding."""

    image: Image
    model: str
    seen: Seen
    pairs: Sequence[Pair]
    similarities: Sequence[float]
    of_vector: Evidence | Failure
    of_pixels: Future[Evidence | Failure] | None


def score_rows(
    pairs: Sequence[Pair], images: Sequence[Image], read: Callable[[Image], bytes], scorer: Scorer
) -> list[Score]:
    """The score of each pair, in the order of the pairs. `read` gives the bytes of an image that
    `fetch` found.

    Distinct pictures are looked at in the order of their hashes, so that the same rows give the
    same batches.
    """
    scores = {pair.key: Score(pair.key, "no_image") for pair in pairs}
    shown, sources = _shown(pairs, images, scorer.routes)
    seen = {
        sha256: found
        for sha256 in shown
        if (found := _seen(sha256, shown[sha256], scorer)) is not None
    }
    new = _made_ready(
        [sources[sha256] for sha256 in sorted(shown.keys() - seen.keys())], read, scorer
    )
    comparing = Comparing(shown, _caption_vectors(shown.values(), scorer), scorer)
    known = [
        comparing.compared(sources[sha256], name, found)
        for sha256, found in seen.items()
        for name in shown[sha256]
    ]
    again = {
        sha256
        for picture in known
        if comparing.lacks_pixels(picture) and (sha256 := picture.image.sha256)
    }
    pictures = chain(new, _made_ready([sources[sha256] for sha256 in sorted(again)], read, scorer))
    finished = (
        _finished(picture, scorer) for picture in known if picture.image.sha256 not in again
    )
    for score in chain(chain.from_iterable(finished), _scores(pictures, comparing)):
        scores[score.key] = score
    return [scores[pair.key] for pair in pairs]


def _shown(
    pairs: Sequence[Pair], images: Sequence[Image], routes: Mapping[str, str]
) -> tuple[dict[str, dict[str, list[Pair]]], dict[str, Image]]:
    """By sha256: the pairs that show a picture, by their model; and where it can be had. In the
    order of the hashes.
    """
    shown: dict[str, dict[str, list[Pair]]] = {}
    sources: dict[str, Image] = {}
    for pair, image in zip(pairs, images, strict=True):
        if image.status == "ok" and image.sha256:
            sources.setdefault(image.sha256, image)
            shown.setdefault(image.sha256, {}).setdefault(routes[pair.subset], []).append(pair)
    return dict(sorted(shown.items())), sources


def _seen(sha256: str, models: Iterable[str], scorer: Scorer) -> Seen | None:
    """What is known of a picture, if all of these models have had it."""
    found = scorer.seen.get(sha256)
    return found if found is not None and found.vectors.keys() >= set(models) else None


def _made_ready(
    images: Sequence[Image], read: Callable[[Image], bytes], scorer: Scorer
) -> Iterator[Ready]:
    """Pictures in order; the first ones are under way when this returns."""
    small_side = PICTURE_SIDE if scorer.observe_picture else None
    processes = scorer.processes

    def start(image: Image) -> tuple[Image, Task[Prepared | Undecodable] | None]:
        content = attempt(read, image, reads_storage=True)
        failed = isinstance(content, Failure)
        return image, None if failed else processes.submit(
            prepare, content, scorer.decode, scorer.squares, small_side
        )

    def finish(started: tuple[Image, Task[Prepared | Undecodable] | None]) -> Ready:
        image, task = started
        if task is None:
            return Ready(image, Undecodable("unreadable"))
        # it was offline in its own process
        decoded = attempt(processes.result, task, reads_storage=True)
        return Ready(
            image, Undecodable("decoder_crashed") if isinstance(decoded, Crashed) else decoded
        )

    return ahead(images, start, finish, scorer.depth)


Started = TypeVar("Started")
Finished = TypeVar("Finished")


def ahead(
    items: Iterable[Item],
    start: Callable[[Item], Started],
    finish: Callable[[Started], Finished],
    depth: int,
) -> Iterator[Finished]:
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
        vectors |= {
            (name, caption): vector
            for caption, vector in zip(ordered, scorer.encoders[name].texts(ordered), strict=True)
        }
    return vectors


@dataclass(frozen=True)
class Comparing:
    """The pairs of each picture by model, and the vector of each (model, caption)."""

    shown: Mapping[str, Pairs]
    captions: Mapping[tuple[str, str], Vector]
    scorer: Scorer

    def pairs(self, image: Image) -> Pairs:
        """The pairs of a picture, by model."""
        return self.shown[image.sha256 or ""]

    def compared(
        self, image: Image, model: str, seen: Seen, small: Pixels | None = None
    ) -> Embedded:
        """A picture beside its captions.

        Detectors that look at the pixels do so on another thread; no failure of theirs stops it.
        """
        pairs, vector, scorer = self.pairs(image)[model], seen.vectors[model], self.scorer
        similarities = [float(vector @ self.captions[model, pair.caption]) for pair in pairs]
        encoder = scorer.encoders[model]
        of_vector = attempt(
            scorer.observe_embedding,
            Embedding(vector, encoder.prompts, encoder.logit_scale, str(encoder.identity)),
        )
        of_pixels = None
        if scorer.observe_picture and max(similarities) >= scorer.detect_from:
            of_pixels = self._of_pixels(scorer.observe_picture, seen, small)
        return Embedded(image, model, seen, pairs, similarities, of_vector, of_pixels)

    def _of_pixels(
        self, observe: Observe, seen: Seen, small: Pixels | None
    ) -> Future[Evidence | Failure]:
        if small is not None:
            return self.scorer.executor.submit(
                partial(attempt, observe), Picture(PillowImage.fromarray(small))
            )
        known: Future[Evidence | Failure] = Future()
        if seen.evidence is not None:
            known.set_result(seen.evidence)
        return known

    def lacks_pixels(self, picture: Embedded) -> bool:
        """Whether detectors have still to look at a picture that is known."""
        return picture.of_pixels is not None and picture.seen.evidence is None


def _scores(pictures: Iterable[Ready], comparing: Comparing) -> Iterator[Score]:
    """Scores of every batch, once its detectors are done: those work while the model has the next
    batch.
    """
    embedded: list[Embedded] = []
    for name, batch in _batches(pictures, comparing):
        if name is None:
            yield from _not_scored(batch, comparing)
            continue
        found = list(_embedded(name, batch, comparing))
        for picture in embedded:
            yield from _finished(picture, comparing.scorer)
        embedded = found
    for picture in embedded:
        yield from _finished(picture, comparing.scorer)


def _not_scored(batch: Sequence[Ready], comparing: Comparing) -> Iterator[Score]:
    for picture in batch:
        found = picture.found
        assert isinstance(found, Undecodable | Failure)
        status, errors = (
            ("error", (found.error,)) if isinstance(found, Failure) else (found.reason, ())
        )
        for pairs in comparing.pairs(picture.image).values():
            yield from (
                Score(pair.key, status, errors=errors, scored_sha256=picture.image.sha256)
                for pair in pairs
            )


def _batches(
    pictures: Iterable[Ready], comparing: Comparing
) -> Iterator[tuple[str | None, list[Ready]]]:
    """(model, full batch of its pictures); the last ones shorter; (None, [picture]) for what cannot
    be judged.
    """
    gathered: dict[str, list[Ready]] = {}
    for picture in pictures:
        if isinstance(picture.found, Undecodable | Failure):
            yield None, [picture]
            continue
        for name in comparing.pairs(picture.image):
            gathered.setdefault(name, []).append(picture)
            if len(gathered[name]) == comparing.scorer.encoders[name].batch_size:
                yield name, gathered.pop(name)
    yield from gathered.items()


def _embedded(name: str, batch: Sequence[Ready], comparing: Comparing) -> Iterator[Embedded]:
    scorer = comparing.scorer
    encoder = scorer.encoders[name]
    place = scorer.squares.index(encoder.square)
    prepared = [picture.found for picture in batch if isinstance(picture.found, Prepared)]
    vectors = encoder.pictures([found.squares[place] for found in prepared])
    for picture, found, vector in zip(batch, prepared, vectors, strict=True):
        seen = Seen(found.width, found.height, found.format, {name: vector})
        yield comparing.compared(picture.image, name, seen, found.small)


def _finished(picture: Embedded, scorer: Scorer) -> Iterator[Score]:
    """The scores of a picture's pairs, once its detectors are done; what was learned is kept."""
    image, seen, encoder = picture.image, picture.seen, scorer.encoders[picture.model]
    of_pixels = _within(picture.of_pixels, scorer.detect_timeout_s) if picture.of_pixels else None
    _keep(picture, of_pixels, scorer)
    observed = [part for part in (picture.of_vector, of_pixels) if part is not None]
    evidence = {
        name: value
        for part in observed
        if not isinstance(part, Failure)
        for name, value in part.items()
    }
    errors = tuple(part.error for part in observed if isinstance(part, Failure))
    for pair, similarity in zip(picture.pairs, picture.similarities, strict=True):
        if not math.isfinite(similarity):
            yield Score(pair.key, "similarity_not_finite", scored_sha256=image.sha256)
            continue
        yield Score(
            key=pair.key,
            status="ok",
            scored_sha256=image.sha256,
            width=image.original_width or seen.width,
            height=image.original_height or seen.height,
            format=image.original_format or seen.format,
            similarity=similarity,
            model=str(encoder.identity),
            precision=encoder.precision,
            embedding=tuple(seen.vectors[picture.model].tolist())
            if scorer.keep_embeddings
            else None,
            errors=errors,
            evidence=evidence,
            looked_at=of_pixels is not None,
        )


def _within(found: Future[Evidence | Failure], seconds: float) -> Evidence | Failure:
    """What detectors found; a failure where they take longer. Their thread is left to itself: none
    can be ended from outside.
    """
    try:
        return found.result(seconds)
    except TimeoutError:
        return Failure("TimeoutError")


def _keep(picture: Embedded, of_pixels: Evidence | Failure | None, scorer: Scorer) -> None:
    """Add what is new to what is known of a picture; a detector that failed is asked again when the
    picture returns.
    """
    known = scorer.seen.get(picture.image.sha256 or "")
    found = None if isinstance(of_pixels, Failure) else of_pixels
    vectors = {**(known.vectors if known else {}), **picture.seen.vectors}
    evidence = found if found is not None else known.evidence if known else None
    scorer.seen.put(
        picture.image.sha256 or "", replace(picture.seen, vectors=vectors, evidence=evidence)
    )
