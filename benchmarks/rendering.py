"""Fonts, photographs, and what a camera does to a page, for the sets of benchmarks/documents.py."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Colour = tuple[int, int, int]
PHOTOGRAPHS = (
    "astronaut",
    "camera",
    "cat",
    "coffee",
    "rocket",
    "coins",
    "brick",
    "grass",
    "gravel",
    "moon",
    "retina",
    "hubble_deep_field",
    "immunohistochemistry",
    "motorcycle",
    "cell",
    "grace_hopper",
)
# Left, top, right and bottom of the faces in two of them, in shares of the sides.
FACES = {"astronaut": (0.34, 0.1, 0.54, 0.4), "grace_hopper": (0.25, 0.05, 0.75, 0.6)}


@lru_cache(512)
def font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """Return one of matplotlib's fonts; `size` is in pixels."""
    import matplotlib as mpl

    return ImageFont.truetype(str(Path(mpl.get_data_path(), "fonts", "ttf", name)), size)


@lru_cache(len(PHOTOGRAPHS))
def photograph(name: str) -> Image.Image:
    """Return a photograph that scikit-image or matplotlib carries."""
    if name == "grace_hopper":
        import matplotlib as mpl

        path = Path(mpl.get_data_path(), "sample_data", "grace_hopper.jpg")
        return Image.open(path).convert("RGB")
    from skimage import data

    # `stereo_motorcycle` would fetch its third file, so the first is read where it lies.
    if name == "motorcycle":
        return Image.open(Path(data.data_dir, "motorcycle_left.png")).convert("RGB")
    return Image.fromarray(getattr(data, name)()).convert("RGB")


def cropped_photograph(random: Random, size: tuple[int, int]) -> Image.Image:
    """Return a random part of a random photograph, maybe mirrored."""
    source = photograph(random.choice(PHOTOGRAPHS))
    scale = min(source.width / size[0], source.height / size[1]) * random.uniform(0.55, 1)
    width, height = size[0] * scale, size[1] * scale
    left = random.uniform(0, source.width - width)
    top = random.uniform(0, source.height - height)
    part = source.resize(size, Image.Resampling.BICUBIC, (left, top, left + width, top + height))
    if random.random() < 0.5:
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return part


def portrait(random: Random, size: tuple[int, int]) -> Image.Image:
    """Return the face of a public sample photograph, as on an identity card."""
    name = random.choice(sorted(FACES))
    source = photograph(name)
    left, top, right, bottom = FACES[name]
    box = (left * source.width, top * source.height, right * source.width, bottom * source.height)
    face = source.resize(size, Image.Resampling.BICUBIC, box)
    return face.convert("L").convert("RGB") if random.random() < 0.4 else face


def text_width(text: str, face: ImageFont.FreeTypeFont) -> int:
    """Return the pixels that a line of text takes."""
    return math.ceil(face.getlength(text))


def wrapped(text: str, face: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Return the lines of a text that fit into `width` pixels."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if text_width(longer, face) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def on_a_desk(page: Image.Image, random: Random) -> Image.Image:
    """Return a photograph of a page that lies on a table, turned and seen from the side."""
    margin = random.uniform(0.03, 0.15)
    width = round(page.width * (1 + 2 * margin))
    height = round(page.height * (1 + 2 * margin))
    desk = _desk(random, (width, height))
    left, top = (width - page.width) / 2, (height - page.height) / 2
    jitter = 0.05 * min(page.size)
    corners = [
        (x + random.uniform(-jitter, jitter), y + random.uniform(-jitter, jitter))
        for x, y in (
            (left, top),
            (left + page.width, top),
            (left + page.width, top + page.height),
            (left, top + page.height),
        )
    ]
    sources = [(0, 0), (page.width, 0), (page.width, page.height), (0, page.height)]
    factors = _perspective(corners, sources)
    mask = Image.new("L", page.size, 255)
    seen = page.transform(desk.size, Image.Transform.PERSPECTIVE, factors, Image.Resampling.BICUBIC)
    where = mask.transform(desk.size, Image.Transform.PERSPECTIVE, factors)
    desk.paste(seen, (0, 0), where)
    return desk


def _desk(random: Random, size: tuple[int, int]) -> Image.Image:
    if random.random() < 0.4:
        return cropped_photograph(random, size).filter(ImageFilter.GaussianBlur(3))
    base = Image.new("RGB", size, random.choice(((120, 84, 56), (70, 70, 74), (190, 186, 178))))
    draw = ImageDraw.Draw(base)
    # The grain of wood.
    for _ in range(40):
        y = random.randrange(size[1])
        shade = random.randint(-12, 12)
        colour = tuple(channel + shade for channel in base.getpixel((0, 0)))  # type: ignore[union-attr]
        draw.line((0, y, size[0], y + random.randint(-20, 20)), colour, random.randint(1, 4))
    return base


def _perspective(
    targets: Sequence[tuple[float, float]], sources: Sequence[tuple[float, float]]
) -> list[float]:
    """Return Pillow's eight factors, which lead from the target's points to the source's."""
    rows, values = [], []
    for (x, y), (u, v) in zip(targets, sources, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    factors: list[float] = np.linalg.solve(np.array(rows), np.array(values)).tolist()
    return factors


def as_served(image: Image.Image, random: Random, sides: tuple[int, int]) -> Image.Image:
    """Return a picture as a site would serve it: reduced, maybe noisy, blurred and lit unevenly.

    `sides`: the lowest and the highest number of pixels of the longer side.
    """
    side = random.randint(*sides)
    scale = side / max(image.size)
    size = (max(32, round(image.width * scale)), max(32, round(image.height * scale)))
    image = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    if random.random() < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(random.uniform(0.2, 0.7)))
    if random.random() < 0.5:
        image = _with_light_and_noise(image, random)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=random.randint(45, 95))
    return Image.open(buffer).convert("RGB")


def _with_light_and_noise(image: Image.Image, random: Random) -> Image.Image:
    generator = np.random.default_rng(random.getrandbits(32))
    pixels = np.asarray(image, np.float32)
    light = np.linspace(random.uniform(0.7, 1), random.uniform(0.9, 1.1), image.width)
    noise = generator.normal(0, random.uniform(1, 7), (*pixels.shape[:2], 1))
    changed = np.clip(pixels * light[None, :, None] + noise, 0, 255)
    return Image.fromarray(changed.astype(np.uint8))
