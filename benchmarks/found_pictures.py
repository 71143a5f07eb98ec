"""Says which of 20 changes that people's copies of a picture have the search sees through.

    python -m benchmarks.found_pictures [--quick]

Pictures are those of benchmarks/picture_changes.py, as they would be published. Each is changed as
people's copies are: a screenshot, a meme, a frame, a crop, a photograph of a screen. The changed copy
is the example, and is found when its own row is among the results: by hashes (without vectors) and
among the ten nearest (with vectors). "Before" compares the example as a whole, and without its
borders.

Vectors are of the demonstration's own small model, which was trained on drawings. A CLIP model
trained on photographs finds more.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from benchmarks.everyday_pictures import everyday
from benchmarks.picture_changes import (
    BLACK,
    WHITE,
    bordered,
    boxed,
    captioned,
    cropped,
    encoded,
    hashed,
    pictures,
    scaled,
)
from pairsieve.clip.encoder import Encoder
from pairsieve.images.pdq import ALIKE, GOOD_QUALITY, Hashes, as_hashes, nearest
from pairsieve.images.prepare import squared
from pairsieve.search.example import read_example
from pairsieve.search.sources import Vectors

GREY, DARK, GREEN = (110, 110, 110), (18, 18, 18), (210, 245, 200)
PHONE = 9 / 19.5  # width by height
NEAREST = 10
DISTRACTORS = 400
"""Other rows, among which vectors must find the picture (benchmarks/everyday_pictures.py)."""
WORDS = "a friend sent this and 128 others like it, look at what is in it"
Change = Callable[[Image.Image], Image.Image]


def lines(
    screen: Image.Image, left: int, top: int, number: int, colour: tuple[int, int, int]
) -> None:
    """Write lines of small text."""
    size = max(10, screen.width // 40)
    draw = ImageDraw.Draw(screen)
    for line in range(number):
        draw.text((left, top + line * 1.6 * size), WORDS[line % 7 :], colour, font_size=size)


def on_phone(
    image: Image.Image, ground: tuple[int, int, int], ink: tuple[int, int, int]
) -> Image.Image:
    """Show a picture across a phone's screen, between a heading and comments."""
    width = max(480, image.width)
    shown = image.resize((width, round(image.height * width / image.width)))
    screen = Image.new("RGB", (width, max(round(width / PHONE), shown.height + 300)), ground)
    top = screen.height // 8
    lines(screen, width // 8, top // 3, 2, ink)
    ImageDraw.Draw(screen).ellipse((10, top // 3, width // 10, top // 3 + width // 10), GREY)
    screen.paste(shown, (0, top))
    lines(screen, width // 40, top + shown.height + 20, 5, ink)
    return encoded(screen, "PNG", 0)


def in_chat(image: Image.Image) -> Image.Image:
    """Show a picture as a message of a chat: smaller, at one side, between other messages."""
    screen = Image.new("RGB", (600, 1100), (236, 229, 221))
    shown = ImageOps.contain(image, (400, 500))
    draw = ImageDraw.Draw(screen)
    draw.rectangle((0, 0, 600, 80), (0, 90, 80))
    draw.rounded_rectangle((30, 110, 400, 190), 14, WHITE)
    lines(screen, 50, 125, 2, BLACK)
    draw.rounded_rectangle((180, 220, 190 + shown.width, 230 + shown.height), 14, GREEN)
    screen.paste(shown, (185, 225))
    draw.rounded_rectangle((30, 800, 420, 880), 14, WHITE)
    lines(screen, 50, 815, 2, BLACK)
    return screen


def in_browser(image: Image.Image) -> Image.Image:
    """Show a picture on a page, between columns of text, in a browser's window."""
    screen = Image.new("RGB", (1280, 900), WHITE)
    draw = ImageDraw.Draw(screen)
    draw.rectangle((0, 0, 1280, 70), (222, 225, 230))
    draw.rounded_rectangle((120, 20, 1100, 55), 16, WHITE)
    shown = ImageOps.contain(image, (620, 480))
    lines(screen, 40, 100, 1, BLACK)
    screen.paste(shown, (40, 180))
    lines(screen, 40, 200 + shown.height, 4, BLACK)
    ImageDraw.Draw(screen).rectangle((840, 100, 842, 880), (200, 200, 200))
    lines(screen, 860, 110, 14, GREY)
    return screen


def beside_another(image: Image.Image) -> Image.Image:
    """Show a picture beside another one, with a white gap."""
    other = everyday(DISTRACTORS + 2).image.convert("RGB").resize(image.size)
    screen = Image.new("RGB", (2 * image.width + 60, image.height + 40), WHITE)
    screen.paste(image, (20, 20))
    screen.paste(other, (image.width + 40, 20))
    return encoded(screen, "JPEG", 85)


def blurred_bars(image: Image.Image) -> Image.Image:
    """Put a picture into a screen of 9:16 whose bars are a blurred copy of it."""
    size = (image.width, image.width * 16 // 9)
    screen = ImageOps.fit(image, size).filter(ImageFilter.GaussianBlur(25))
    screen.paste(image, (0, (size[1] - image.height) // 2))
    return encoded(screen, "JPEG", 85)


def polaroid(image: Image.Image) -> Image.Image:
    """Give a picture a white frame that is wider below, with words in it."""
    side = image.width // 16
    frame = Image.new("RGB", (image.width + 2 * side, image.height + 6 * side), WHITE)
    frame.paste(image, (side, side))
    place = (2 * side, image.height + 2 * side)
    ImageDraw.Draw(frame).text(place, "summer 2013", DARK, font_size=2 * side)
    return encoded(frame, "JPEG", 85)


def demotivator(image: Image.Image) -> Image.Image:
    """Frame a picture in white on black, with words below."""
    framed = ImageOps.expand(ImageOps.expand(image, 3, BLACK), 3, WHITE)
    side = image.width // 10
    poster = Image.new("RGB", (framed.width + 2 * side, framed.height + 4 * side), BLACK)
    poster.paste(framed, (side, side))
    draw = ImageDraw.Draw(poster)
    draw.text((3 * side, framed.height + 1.3 * side), "PERSISTENCE", WHITE, font_size=side)
    return encoded(poster, "JPEG", 85)


def lettered(image: Image.Image) -> Image.Image:
    """Write white letters with a black edge into the upper and lower part."""
    copy = image.copy()
    size = image.height // 9
    draw = ImageDraw.Draw(copy)
    for top, text in ((0.02, "ONE DOES NOT"), (0.86, "SIMPLY DELETE")):
        place = (image.width * 0.1, image.height * top)
        draw.text(place, text, WHITE, font_size=size, stroke_width=3, stroke_fill=BLACK)
    return encoded(copy, "JPEG", 85)


def with_sticker(image: Image.Image) -> Image.Image:
    """Put a round sticker over a tenth of the picture."""
    copy = image.copy()
    width, height = image.size
    radius = 0.18 * min(width, height)
    middle = (0.7 * width, 0.35 * height)
    box = (middle[0] - radius, middle[1] - radius, middle[0] + radius, middle[1] + radius)
    ImageDraw.Draw(copy).ellipse(box, (255, 205, 50))
    return copy


def photographed(image: Image.Image) -> Image.Image:
    """Photograph a screen: turned by a degree, darker, blurred, with a dark room around it."""
    room = ImageOps.expand(image, image.width // 8, (25, 22, 20))
    turned = room.rotate(1, Image.Resampling.BICUBIC, fillcolor=(25, 22, 20))
    dim = ImageEnhance.Brightness(turned.filter(ImageFilter.GaussianBlur(1))).enhance(0.85)
    return encoded(dim, "JPEG", 70)


def cut_square(image: Image.Image) -> Image.Image:
    """Cut a picture to a square; a square to 4:5."""
    side = min(image.size)
    size = (side, side) if image.width != image.height else (round(side * 0.8), side)
    return ImageOps.fit(image, size)


CHANGES: Mapping[str, Change] = {
    "screenshot of a phone, white": lambda image: on_phone(image, WHITE, BLACK),
    "screenshot of a phone, dark": lambda image: on_phone(image, DARK, (200, 200, 200)),
    "screenshot of a chat": in_chat,
    "screenshot of a page in a browser": in_browser,
    "beside another picture": beside_another,
    "white border, 10 %": lambda image: bordered(image, 0.1, WHITE),
    "letterbox, 9:16": boxed,
    "blurred bars, 9:16": blurred_bars,
    "instant photo": polaroid,
    "meme: words above, on white": captioned,
    "meme: words below, on black": demotivator,
    "meme: letters in the picture": lettered,
    "sticker": with_sticker,
    "crop, 5 %": lambda image: cropped(image, 0.05),
    "crop, 20 %": lambda image: cropped(image, 0.2),
    "crop to a square": cut_square,
    "half the size, JPEG of quality 40": lambda image: encoded(scaled(image, 0.5, 0.5), "JPEG", 40),
    "mirrored": ImageOps.mirror,
    "greyscale, more contrast": lambda image: ImageOps.autocontrast(
        ImageOps.grayscale(image), 2
    ).convert("RGB"),
    "photograph of a screen": photographed,
}
SURROUNDED = tuple(CHANGES)[:7] + tuple(CHANGES)[8:11]
"""Changes that only put something of one colour around the picture."""


@dataclass(frozen=True)
class Rows:
    """The published rows: the hashes of each, and its vector, (n, d)."""

    hashes: Sequence[Hashes]
    vectors: Vectors


@dataclass
class Counts:
    """How many examples of a change were found each way; `false`: other rows that hashes took."""

    by_hashes_before: int = 0
    by_hashes: int = 0
    false: int = 0
    by_vector: int = 0
    by_vectors: int = 0


def demo_encoder() -> Encoder:
    """Load the demonstration's model."""
    from pairsieve.clip.encoder import load_encoder
    from pipeline.load_config import load_config
    from pipeline.orchestrate.config_file import CONFIGS
    from pipeline.orchestrate.plan import look_up

    config = load_config(str(CONFIGS / "demo.yaml"))
    name, identity = next(iter(look_up(config).models.items()))
    return load_encoder(config.score.models[name], identity, config.score.encoder)


def png(image: Image.Image) -> bytes:
    """Return the file of a picture."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def look_for(row: int, image: Image.Image, rows: Rows, encoder: Encoder, counts: Counts) -> None:
    """Search for a changed copy of the picture of a row, and count what is found."""
    example = read_example(png(image), [encoder.square])
    assert isinstance(example, tuple)
    hashes, (pixels,) = example
    seen = as_hashes([*hashes.pdq, *hashes.pdq_of_views])
    of_whole = as_hashes(hashes.pdq)
    alike = [len(seen) and nearest(of_row, seen).min() <= ALIKE for of_row in rows.hashes]
    counts.by_hashes += bool(alike[row])
    counts.false += sum(map(bool, alike)) - bool(alike[row])
    counts.by_hashes_before += bool(
        len(of_whole) and nearest(rows.hashes[row], of_whole).min() <= ALIKE
    )
    cosines = rows.vectors @ encoder.pictures(pixels).T
    counts.by_vector += int((cosines[:, 0] > cosines[row, 0]).sum() < NEAREST)
    best = cosines.max(axis=1)
    counts.by_vectors += int((best > best[row]).sum() < NEAREST)


def measure(quick: bool) -> Iterator[str]:
    """Measure every change."""
    encoder = demo_encoder()
    known = [(image, hashed(image)) for _, image in pictures()]
    known = [(image, hashes) for image, hashes in known if hashes.quality >= GOOD_QUALITY]
    if quick:
        known = known[::4]
    others = [
        everyday(number).image.convert("RGB") for number in range(DISTRACTORS // (1 + 9 * quick))
    ]
    images = [*(image for image, _ in known), *others]
    rows = Rows(
        [*(hashes.row for _, hashes in known), *(hashed(image).row for image in others)],
        encoder.pictures([np.asarray(squared(image, encoder.square)) for image in images]),
    )
    yield f"{len(known)} pictures among {len(images)} rows, {len(CHANGES)} changes"
    yield "| change | hashes, before | hashes | vector, before | vectors |\n|---|---|---|---|---|"
    shares, false = {}, 0
    for name, change in CHANGES.items():
        counts = Counts()
        for row, (image, _) in enumerate(known):
            look_for(row, change(image), rows, encoder, counts)
        of_all = [counts.by_hashes_before, counts.by_hashes, counts.by_vector, counts.by_vectors]
        cells = " | ".join(f"{count / len(known):.2f}" for count in of_all)
        shares[name] = counts.by_hashes / len(known)
        false += counts.false
        yield f"| {name} | {cells} |"
    yield f"goal surrounded_found {sum(shares[n] for n in SURROUNDED) / len(SURROUNDED):.3f} >= 0.9"
    yield f"goal false_matches {false} <= 0"
    yield from _cost([image for image, _ in known], encoder)


def _cost(images: Sequence[Image.Image], encoder: Encoder) -> Iterator[str]:
    """Print how long an example takes, as a screenshot of a phone."""
    screens = [png(on_phone(image, WHITE, BLACK)) for image in images]
    started = time.perf_counter()
    examples = [read_example(screen, [encoder.square]) for screen in screens]
    reading_ms = 1000 * (time.perf_counter() - started) / len(screens)
    started = time.perf_counter()
    for example in examples:
        assert isinstance(example, tuple)
        encoder.pictures(example[1][0])
    model_ms = 1000 * (time.perf_counter() - started) / len(screens)
    yield f"{reading_ms:.0f} ms to read and hash an example, {model_ms:.0f} ms for its vectors"


def main() -> None:
    """Measure, and print the table and the goals."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a quarter of the pictures")
    for line in measure(parser.parse_args().quick):
        print(line, flush=True)


if __name__ == "__main__":
    main()
