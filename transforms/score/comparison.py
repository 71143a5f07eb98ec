"""Compares pictures with the captions of their pairs, and lets detectors look at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial

from PIL import Image as PillowImage

from filters.detector import Observe
from filters.subjects import Embedding, Picture
from pairsieve.attempt import Failure, attempt
from pairsieve.images.prepare import Pixels
from pairsieve.records.pair import Evidence, Pair, evidence_of_caption
from pairsieve.records.sample import Image, Sample, Score
from transforms.score.scorer import KnownPicture, Scorer, Vector

PairsByModel = Mapping[str, list[Pair]]
"""Name of a model -> the pairs of one picture that it scores."""


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
            score = score_of(embedded, self.scorer, pair, similarity, cheap)
            sample = Sample(pair, self.images_by_key[pair.key], score)
            reasons.append(costly.prospects.spared_by(sample))
        return reasons

    def needs_pixels(self, picture: EmbeddedPicture) -> bool:
        """Whether picture detectors must look at a known picture that they have not seen yet."""
        return picture.picture_evidence is not None and not picture.picture_evidence.done()


def score_of(
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
