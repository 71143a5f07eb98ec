"""Measures what decoding JPEGs at a fraction of their size saves, and what it changes.

    python -m benchmarks.reduced [--pictures FOLDER] [--checkpoint FILE] [--quick]

Each picture below FOLDER is encoded as a JPEG of several widths. They are prepared for a model with
and without `score.decode.reduced`. Compared are the time, the similarity with captions of random
words, and, for the copy that detectors get, the PDQ hash. Without a folder, pictures are noise of
several scales. Without a checkpoint the model has random weights.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from benchmarks.machine import cpu, print_goals
from benchmarks.score_sides import DECODE, random_checkpoint
from pairsieve.clip.encoder import Encoder, load_encoder
from pairsieve.clip.model import identify
from pairsieve.clip.settings import EncoderSettings, ModelSettings
from pairsieve.images.pdq import GOOD_QUALITY, distance, pdq
from pairsieve.images.prepare import Prepared, Square, prepare
from transforms.score.scorer import PICTURE_SIDE

WIDTHS = (640, 1024, 1600, 2500, 4000)
QUALITY = 85
PICTURES = 24
CAPTIONS = 200
WORDS = ("red", "blue", "cat", "dog", "house", "tree", "sea", "mountain", "road", "people", "river")
MAX_MOVED = 0.002  # by which a similarity may differ


@dataclass
class Width:
    """What was measured of the pictures of one width."""

    pictures: int = 0
    changed: int = 0
    exact_s: float = 0.0
    reduced_s: float = 0.0
    most_moved: float = 0.0


def pictures_below(folder: str) -> Iterator[Image.Image]:
    """Yield PICTURES pictures of a folder, evenly from all that are wide enough."""
    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    wide = []
    for path in paths:
        try:
            with Image.open(path) as image:
                if image.width >= WIDTHS[1]:
                    wide.append(path)
        except UnidentifiedImageError:
            continue
    for path in wide[:: max(1, len(wide) // PICTURES)][:PICTURES]:
        with Image.open(path) as image:
            yield image.convert("RGB")


def made_up(number: int) -> Iterator[Image.Image]:
    """Yield pictures with noise of several scales."""
    random = np.random.default_rng(0)
    for _ in range(number):
        total = np.zeros((1500, 2500, 3))
        for scale in (4, 16, 64, 256):
            noise = random.integers(0, 256, (1500 // scale + 1, 2500 // scale + 1, 3), np.uint8)
            total += np.asarray(Image.fromarray(noise).resize((2500, 1500)), np.float64) / 4
        yield Image.fromarray(total.astype(np.uint8))


def as_jpeg(image: Image.Image, width: int) -> bytes:
    """Encode a picture at a width."""
    height = round(image.height * width / image.width)
    buffer = io.BytesIO()
    image.resize((width, height), Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def timed_prepare(
    content: bytes, square: Square, reduced: bool, small_side: int | None
) -> tuple[Prepared, float]:
    """Prepare a picture; return it with the seconds of processor time."""
    started = time.process_time()
    found = prepare(content, replace(DECODE, reduced=reduced), [square], small_side)
    seconds = time.process_time() - started
    assert isinstance(found, Prepared)
    return found, seconds


def compare(encoder: Encoder, texts: np.ndarray, content: bytes, result: Width) -> None:
    """Prepare a picture for the model alone, in both ways, and compare similarities."""
    exact, exact_s = timed_prepare(content, encoder.square, False, None)
    reduced, reduced_s = timed_prepare(content, encoder.square, True, None)
    result.pictures += 1
    result.exact_s += exact_s
    result.reduced_s += reduced_s
    if np.array_equal(exact.squares[0], reduced.squares[0]):
        return
    result.changed += 1
    vectors = encoder.pictures([exact.squares[0], reduced.squares[0]])
    moved = np.abs((vectors[1] - vectors[0]) @ texts.T)
    result.most_moved = max(result.most_moved, float(moved.max()))


def pdq_bits(content: bytes, square: Square) -> int | None:
    """Return in how many bits the hashes of the copies for detectors differ.

    None where nothing was reduced, or where the picture shows too little for a hash.
    """
    copies = [timed_prepare(content, square, reduced, PICTURE_SIDE)[0] for reduced in (False, True)]
    exact, reduced = (copy.small for copy in copies)
    assert exact is not None
    assert reduced is not None
    if np.array_equal(exact, reduced):
        return None
    (bits, quality), (other_bits, _) = (pdq(Image.fromarray(copy)) for copy in (exact, reduced))
    return distance(bits, other_bits) if quality >= GOOD_QUALITY else None


def captions() -> Sequence[str]:
    """Return captions of eight random words."""
    random = np.random.default_rng(0)
    return [" ".join(random.choice(WORDS, 8)) for _ in range(CAPTIONS)]


def main() -> None:
    """Compare both ways at every width, and print a table and the goals."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", help="folder of pictures, at best with 4,000 pixels a side")
    parser.add_argument("--checkpoint", help="weights of ViT-B-32; random ones by default")
    parser.add_argument("--quick", action="store_true", help="three made-up pictures")
    options = parser.parse_args()
    few = 3 if options.quick else PICTURES
    pictures = pictures_below(options.pictures) if options.pictures else made_up(few)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = options.checkpoint or random_checkpoint("ViT-B-32", folder)
        model = ModelSettings("ViT-B-32", checkpoint)
        encoder = load_encoder(model, identify(model), EncoderSettings("cpu", precision="fp32"))
    texts = encoder.texts(captions())
    by_width = {width: Width() for width in WIDTHS}
    bits = []
    for image in pictures:
        for width, result in by_width.items():
            if width > image.width:
                continue
            content = as_jpeg(image, width)
            compare(encoder, texts, content, result)
            bits.append(pdq_bits(content, encoder.square))
    report(by_width, [number for number in bits if number is not None])


def report(by_width: dict[int, Width], bits: Sequence[int]) -> None:
    """Print the table and the goals."""
    print(cpu())
    for width, result in by_width.items():
        if result.pictures:
            print(
                f"{width:5} px wide: {result.changed} of {result.pictures} reduced, "
                f"{1000 * result.exact_s / result.pictures:6.1f} -> "
                f"{1000 * result.reduced_s / result.pictures:5.1f} ms a picture, "
                f"a similarity moves by {result.most_moved:.5f} at most"
            )
    if bits:
        print(
            f"copies for detectors, {len(bits)} reduced: PDQ differs in {np.mean(bits):.1f} bits, "
            f"{max(bits)} at most"
        )
    exact_s = sum(result.exact_s for result in by_width.values())
    reduced_s = sum(result.reduced_s for result in by_width.values())
    most_moved = max(result.most_moved for result in by_width.values())
    print_goals(
        {
            "time_of_exact": (reduced_s / exact_s, "<=", 0.6),
            "similarity_moved": (most_moved, "<=", MAX_MOVED),
        }
    )


if __name__ == "__main__":
    main()
