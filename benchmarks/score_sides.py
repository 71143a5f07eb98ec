"""The sides that benchmarks/score.py compares: our scorer, bare forward passes, and a plain loop."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import open_clip
import torch
from cachetools import LRUCache
from PIL.Image import Image as PillowImage

from pairsieve.clip.encoder import KEPT_TEXTS, Encoder
from pairsieve.clip.passes import Meter
from pairsieve.clip.settings import ModelSettings
from pairsieve.images.decode import DecodeSettings, Undecodable
from pairsieve.images.prepare import Prepared
from pairsieve.records.pair import Pair
from pairsieve.records.sample import Image, Score
from transforms.score.handler import CPU_PARTS, DEVICE_PARTS
from transforms.score.score_rows import score_rows
from transforms.score.scorer import Scorer

DECODE = DecodeSettings(("JPEG", "PNG", "WEBP"), 89_478_484, 50)
LOOP_BATCH = 64
SAMPLED_BATCHES = 5  # batches of texts whose mean time stands for all
WARM_UP_ROUNDS, TIMED_ROUNDS = 2, 10
ROUTES = {"en": "m", "multi": "m", "nolang": "m"}
DETECT_FROM = 2.0  # no similarity is so high, so no detector runs

Forward = Callable[[], torch.Tensor]


class DecodedPictures:
    """Pictures that were decoded before, in place of the processes that decode."""

    def __init__(self, pictures: dict[bytes, Prepared | Undecodable]) -> None:
        self._by_sha256 = pictures

    def submit(self, _: object, sha256: bytes, *__: object) -> bytes:
        """Return the key of a picture; nothing has to be started."""
        return sha256

    def result(self, sha256: bytes) -> Prepared | Undecodable:
        """Return a picture."""
        return self._by_sha256[sha256]


def make_scorer(encoder: Encoder, processes: Any, executor: ThreadPoolExecutor) -> Scorer:
    """Make the scorer of the score stage, without detectors."""
    return Scorer(
        encoders={"m": encoder},
        routes=ROUTES,
        decode=DECODE,
        detect_from=DETECT_FROM,
        keep_embeddings=False,
        observe_picture=None,
        observe_embedding=lambda embedding: {},
        executor=executor,
        processes=processes,
    )


def score_all(
    parts: Sequence[list[Pair]],
    images: Sequence[list[Image]],
    read: Callable[[Image], bytes],
    scorer: Scorer,
) -> list[Score]:
    """Score every part, as many at once as the score stage does. `read` returns a picture."""
    on_cpu = scorer.encoders["m"].device == "cpu"
    at_once = CPU_PARTS if on_cpu else DEVICE_PARTS
    scores: list[Score] = []
    for first in range(0, len(parts), at_once):
        some_pairs = list(chain(*parts[first : first + at_once]))
        some_images = list(chain(*images[first : first + at_once]))
        scores += score_rows(some_pairs, some_images, read, scorer)
    return scores


def without_caches(encoder: Encoder) -> Encoder:
    """Return the same model without remembered captions."""
    return replace(encoder, meter=Meter(), _text_cache=LRUCache(KEPT_TEXTS), _prompts={})


@torch.inference_mode()
def bare_seconds(encoder: Encoder, pictures: int, captions: Sequence[str]) -> float:
    """Return the seconds of nothing but forward passes, on full batches that lie ready.

    Texts have their own lengths, as in our scorer. The faster of two ways counts: all threads in
    one pass, and one pass on each thread.
    """
    return min(
        _all_passes_s(encoder, pictures, captions, _median_s),
        _all_passes_s(encoder, pictures, captions, partial(_median_side_by_side_s, encoder)),
    )


def _all_passes_s(
    encoder: Encoder,
    pictures: int,
    captions: Sequence[str],
    seconds_of: Callable[[Forward], float],
) -> float:
    """Return the seconds of all passes. `seconds_of` measures those of one."""
    side = encoder.square.side
    batch = encoder.batch_size
    pixels = torch.randn(batch, 3, side, side, device=encoder.device, dtype=encoder.dtype)
    image_batch_s = seconds_of(lambda: encoder.model.encode_image(pixels))
    image_s = pictures / batch * image_batch_s

    tokens = encoder.text_tokens
    batches = [rows for _, rows in encoder.text_tower.batches(captions, tokens)]
    sampled = batches[:: max(1, len(batches) // SAMPLED_BATCHES)]
    text_batch_s = statistics.mean(
        seconds_of(partial(encoder.text_tower.encode, rows, tokens)) for rows in sampled
    )
    # Counted in full batches: the last one of a real run is filled up.
    all_tokens = sum(len(row) for rows in batches for row in rows)
    return image_s + all_tokens / tokens * text_batch_s


def _median_s(forward: Forward) -> float:
    """Return the median seconds of a forward pass on all threads."""
    times = []
    for _ in range(WARM_UP_ROUNDS + TIMED_ROUNDS):
        started = time.perf_counter()
        _run_to_its_end(forward)
        times.append(time.perf_counter() - started)
    return statistics.median(times[WARM_UP_ROUNDS:])


def _median_side_by_side_s(encoder: Encoder, forward: Forward) -> float:
    """Return the median seconds for each of as many forward passes as the encoder runs at once."""
    times = []
    for _ in range(WARM_UP_ROUNDS + TIMED_ROUNDS):
        started = time.perf_counter()
        passes = [encoder.executor.submit(_run_to_its_end, forward) for _ in range(encoder.passes)]
        for running in passes:
            running.result()
        times.append((time.perf_counter() - started) / encoder.passes)
    return statistics.median(times[WARM_UP_ROUNDS:])


@torch.inference_mode()
def _run_to_its_end(forward: Forward) -> None:
    """Run a forward pass; a device works on after the call, and reading a value waits for it."""
    forward().float().sum().item()


@dataclass(frozen=True)
class Loop:
    """open_clip in float32, as clip-retrieval runs it."""

    model: Any
    tokenize: Any
    transform: Any
    device: str

    def run(
        self, rows: Sequence[tuple[Pair, Image]], picture_of: Callable[[str], PillowImage]
    ) -> tuple[float, list[float]]:
        """Return (pairs a second, similarities). `picture_of` returns a picture by its sha256."""

        def transformed(row: tuple[Pair, Image]) -> Any:
            _, image = row
            return self.transform(picture_of(image.sha256 or ""))

        similarities: list[float] = []
        started = time.perf_counter()
        with torch.inference_mode(), ThreadPoolExecutor(os.cpu_count()) as executor:
            # Other threads transform pictures ahead of the model.
            pictures = executor.map(transformed, rows)
            for first in range(0, len(rows), LOOP_BATCH):
                batch = rows[first : first + LOOP_BATCH]
                pixels = torch.stack([next(pictures) for _ in batch]).to(self.device)
                tokens = self.tokenize([pair.caption for pair, _ in batch]).to(self.device)
                image_vectors = self.model.encode_image(pixels, normalize=True)
                text_vectors = self.model.encode_text(tokens, normalize=True)
                similarities += (image_vectors * text_vectors).sum(dim=-1).tolist()
        return len(rows) / (time.perf_counter() - started), similarities


def plain_loop(model: ModelSettings, device: str) -> Loop:
    """Load the plain loop's model."""
    loaded, _, transform = open_clip.create_model_and_transforms(
        model.architecture, pretrained=model.pretrained, device=device
    )
    return Loop(loaded.eval(), open_clip.get_tokenizer(model.architecture), transform, device)


def random_checkpoint(architecture: str, folder: str) -> str:
    """Write a checkpoint with random weights; return its path."""
    torch.manual_seed(11)
    model = open_clip.create_model(architecture, pretrained=None, load_weights=False)
    path = Path(folder, "random.pt")
    torch.save(model.state_dict(), path)
    return str(path)
