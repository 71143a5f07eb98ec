"""Says which of 32 changes to a picture its hashes see through, at the project's threshold.

    python -m benchmarks.picture_changes [--quick]

Pictures are those of scikit-image, and quarters of the larger ones. Each is changed in 32 ways. A
change is caught when a request by the original finds the changed copy, and a request by the copy
finds the original. Then all pairs of different pictures are compared: taking off borders must not
make them match.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from pairsieve.images.pdq import (
    ALIKE,
    GOOD_QUALITY,
    TURNS,
    Hashes,
    as_hashes,
    nearest,
    orientations_of,
    pdq,
    pdq_trimmed,
)
from pairsieve.images.prepare import fit_within

NAMES = (
    "astronaut", "brick", "camera", "cat", "clock", "coffee", "coins", "grass", "gravel",
    "hubble_deep_field", "immunohistochemistry", "moon", "retina", "rocket",
)  # fmt: skip
# Not the retina: the quarters of a disc are mirror images of each other, and rightly alike.
QUARTERED = ("astronaut", "coffee", "hubble_deep_field", "immunohistochemistry", "rocket")
SIDE = 640  # pixels, as detectors get pictures (transforms/score/scorer.py)
WHITE, BLACK, BLUE = (255, 255, 255), (0, 0, 0), (30, 60, 200)
Change = Callable[[Image.Image], Image.Image]


def encoded(image: Image.Image, kind: str, quality: int) -> Image.Image:
    """Write a picture in a format and read it again."""
    buffer = io.BytesIO()
    image.save(buffer, kind, quality=quality)
    return Image.open(buffer).convert("RGB")


def scaled(image: Image.Image, across: float, down: float) -> Image.Image:
    """Resize a picture by two factors."""
    return image.resize((round(image.width * across), round(image.height * down)))


def cropped(image: Image.Image, share: float) -> Image.Image:
    """Cut off a share of width and height, half of it on each side."""
    across, down = round(image.width * share / 2), round(image.height * share / 2)
    return image.crop((across, down, image.width - across, image.height - down))


def bordered(image: Image.Image, share: float, colour: tuple[int, int, int]) -> Image.Image:
    """Add a border, a share of width and height on each side; then JPEG at quality 85."""
    widths = (round(image.width * share), round(image.height * share))
    return encoded(ImageOps.expand(image, widths, colour), "JPEG", 85)


def boxed(image: Image.Image) -> Image.Image:
    """Put a picture into the middle of a black screen of 9:16; then JPEG at quality 85."""
    screen = ImageOps.pad(image, (image.width, image.width * 16 // 9), color=BLACK)
    return encoded(screen, "JPEG", 85)


def toned(image: Image.Image, power: float) -> Image.Image:
    """Apply a gamma curve."""
    return image.point([round(255 * (value / 255) ** power) for value in range(256)] * 3)


def noisy(image: Image.Image) -> Image.Image:
    """Add noise with a standard deviation of 15, of 255."""
    noise = np.random.default_rng(1).normal(0, 15, (image.height, image.width, 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def written(image: Image.Image) -> Image.Image:
    """Write a watermark across the middle."""
    copy = image.copy()
    size = image.width / 10
    place = (image.width * 0.1, image.height * 0.45)
    ImageDraw.Draw(copy).text(place, "(c) somebody.example", WHITE, font_size=size)
    return copy


def captioned(image: Image.Image) -> Image.Image:
    """Add a white bar with words above a picture, as memes have it."""
    bar = image.height // 6
    copy = ImageOps.expand(image, (0, bar, 0, 0), WHITE)
    ImageDraw.Draw(copy).text((bar / 4, bar / 4), "when it works", BLACK, font_size=bar / 2)
    return copy


def with_logo(image: Image.Image) -> Image.Image:
    """Put a plain logo of a seventh of the width into a corner."""
    copy = image.copy()
    copy.paste(BLUE, (0, 0, image.width // 7, image.width // 7))
    return copy


def rounded(image: Image.Image) -> Image.Image:
    """Make the corners round and white."""
    mask = Image.new("L", image.size, 0)
    area = (0, 0, image.width - 1, image.height - 1)
    ImageDraw.Draw(mask).rounded_rectangle(area, image.width // 10, 255)
    return Image.composite(image, Image.new("RGB", image.size, WHITE), mask)


def sepia(image: Image.Image) -> Image.Image:
    """Make a picture brown."""
    return ImageOps.colorize(ImageOps.grayscale(image), (20, 10, 0), (255, 240, 200))


BORDERS: Mapping[str, Change] = {
    "white border, 2 %": lambda image: bordered(image, 0.02, WHITE),
    "white border, 5 %": lambda image: bordered(image, 0.05, WHITE),
    "white border, 10 %": lambda image: bordered(image, 0.1, WHITE),
    "black border, 5 %": lambda image: bordered(image, 0.05, BLACK),
    "blue border, 5 %": lambda image: bordered(image, 0.05, BLUE),
    "letterbox, 9:16": boxed,
}
CHANGES: Mapping[str, Change] = {
    **BORDERS,
    "JPEG, quality 75": lambda image: encoded(image, "JPEG", 75),
    "JPEG, quality 20": lambda image: encoded(image, "JPEG", 20),
    "WebP, quality 50": lambda image: encoded(image, "WEBP", 50),
    "palette of 32 colours": lambda image: image.quantize(32).convert("RGB"),
    "half the size": lambda image: scaled(image, 0.5, 0.5),
    "twice the size": lambda image: scaled(image, 2, 2),
    "width reduced by a fifth": lambda image: scaled(image, 0.8, 1),
    "crop, 5 %": lambda image: cropped(image, 0.05),
    "crop, 10 %": lambda image: cropped(image, 0.1),
    "crop, 20 %": lambda image: cropped(image, 0.2),
    "turned by 90 degrees": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "turned by 180 degrees": lambda image: image.transpose(Image.Transpose.ROTATE_180),
    "mirrored": ImageOps.mirror,
    "turned by 2 degrees": lambda image: image.rotate(2, Image.Resampling.BICUBIC),
    "brighter by 30 %": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "contrast, 30 % more": lambda image: ImageEnhance.Contrast(image).enhance(1.3),
    "gamma 0.7": lambda image: toned(image, 0.7),
    "greyscale": lambda image: ImageOps.grayscale(image).convert("RGB"),
    "sepia": sepia,
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(2)),
    "sharpened": lambda image: image.filter(ImageFilter.SHARPEN),
    "noise": noisy,
    "watermark": written,
    "caption above (meme)": captioned,
    "round corners": rounded,
    "logo in a corner": with_logo,
}


@dataclass(frozen=True)
class Hashed:
    """What is published of a picture (1 or 2 hashes), and what a request by it compares."""

    row: Hashes
    request: Hashes
    quality: int


def hashed(image: Image.Image) -> Hashed:
    """Hash a picture as the flow does, and as a request does."""
    small = fit_within(image, SIDE)
    bits, quality = pdq(small)
    inner = pdq_trimmed(small)
    row = as_hashes([bits, inner] if inner else [bits])
    return Hashed(row, as_hashes(orientations_of(image)), quality)


def pictures() -> Iterator[tuple[str, Image.Image]]:
    """The pictures of scikit-image, and quarters of the larger ones."""
    from skimage import data

    for name in NAMES:
        image = fit_within(Image.fromarray(getattr(data, name)()).convert("RGB"), SIDE)
        yield name, image
        if name in QUARTERED:
            across, down = image.width // 2, image.height // 2
            for left, top in ((0, 0), (across, 0), (0, down), (across, down)):
                yield f"{name} {left} {top}", image.crop((left, top, left + across, top + down))


def finds(request: Hashed, row: Hashed) -> bool:
    """Return whether a request by a picture finds a row."""
    return bool(nearest(row.row, request.request).min() <= ALIKE)


def caught(known: Sequence[tuple[Image.Image, Hashed]], change: Change) -> tuple[int, int]:
    """Return how many changed pictures both ways find, and how many the whole hash alone finds."""
    both = whole = 0
    for image, original in known:
        changed = hashed(change(image))
        both += finds(original, changed) and finds(changed, original)
        whole += bool(nearest(changed.row[:1], original.request).min() <= ALIKE)
    return both, whole


def measure(quick: bool) -> Iterator[str]:
    """Measure every change, different pictures, and the time."""
    known = [(image, hashed(image)) for _, image in pictures()]
    known = [(image, hashes) for image, hashes in known if hashes.quality >= GOOD_QUALITY]
    if quick:
        known = known[::4]
    yield f"{len(known)} pictures, {len(CHANGES)} changes"
    yield "| change | caught | by the whole picture's hash alone |\n|---|---|---|"
    shares = {}
    for name, change in CHANGES.items():
        both, whole = caught(known, change)
        shares[name] = both / len(known)
        yield f"| {name} | {shares[name]:.2f} | {whole / len(known):.2f} |"
    border_share = sum(shares[name] for name in BORDERS) / len(BORDERS)
    frames = [(image, hashed(change(image))) for image, _ in known for change in BORDERS.values()]
    yield from _false_matches(known, frames)
    yield f"goal bordered_caught {border_share:.3f} >= 0.95"
    yield f"goal reencoded_caught {shares['JPEG, quality 75']:.3f} >= 0.95"
    yield from _cost([image for image, _ in frames])


def _false_matches(
    known: Sequence[tuple[Image.Image, Hashed]], frames: Sequence[tuple[Image.Image, Hashed]]
) -> Iterator[str]:
    """Compare different pictures and their bordered copies.

    Large bars make some pictures alike by the hash of the whole. Only matches beyond those are due
    to taking off borders.
    """
    pairs = alike = false = 0
    for (left, left_hashes), (right, right_hashes) in combinations([*known, *frames], 2):
        if left is right:
            continue
        pairs += 1
        # A request lists the hashes of the whole picture last.
        of_whole = left_hashes.request[-len(TURNS) :]
        is_alike = bool(nearest(right_hashes.row[:1], of_whole).min() <= ALIKE)
        alike += is_alike
        false += not is_alike and finds(left_hashes, right_hashes)
    yield f"{pairs:,} pairs of different pictures, with and without borders; {alike} alike as a whole"
    yield f"goal false_matches {false} <= 0"


def _cost(images: Sequence[Image.Image]) -> Iterator[str]:
    """Compare the time of looking for borders with that of hashing."""
    from pairsieve.images.trim import trimmed

    started = time.perf_counter()
    for image in images:
        pdq(image)
    hashing_s = time.perf_counter() - started
    started = time.perf_counter()
    for image in images:
        trimmed(image)
    trimming_s = time.perf_counter() - started
    yield (
        f"{1000 * hashing_s / len(images):.1f} ms to hash a picture, "
        f"{1000 * trimming_s / len(images):.2f} ms to look for its borders"
    )


def main() -> None:
    """Measure, and print tables and goals."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a quarter of the pictures")
    for line in measure(parser.parse_args().quick):
        print(line)


if __name__ == "__main__":
    main()
