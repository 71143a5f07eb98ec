"""The picture in a screenshot, a meme or a frame is among the views."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter, ImageOps
from skimage import data

from pairsieve.images.pdq import ALIKE, distance, pdq
from pairsieve.images.views import views

WHITE, BLACK, DARK = (255, 255, 255), (0, 0, 0), (18, 18, 18)
NAMES = ("astronaut", "cat", "coffee", "immunohistochemistry")


@cache
def shown(name: str) -> Image.Image:
    return Image.fromarray(getattr(data, name)()).convert("RGB").reduce(2)


def text(screen: Image.Image, top: int, lines: int, colour) -> None:
    draw = ImageDraw.Draw(screen)
    for line in range(lines):
        draw.text((12, top + 22 * line), "a comment of a friend", colour, font_size=14)


def screenshot(image: Image.Image, ground, ink) -> Image.Image:
    screen = Image.new("RGB", (image.width, image.height + 420), ground)
    text(screen, 30, 3, ink)
    screen.paste(image, (0, 140))
    text(screen, 160 + image.height, 8, ink)
    return screen


def on_page(image: Image.Image) -> Image.Image:
    screen = Image.new("RGB", (900, 700), WHITE)
    ImageDraw.Draw(screen).rectangle((0, 0, 900, 50), (222, 225, 230))
    text(screen, 70, 2, BLACK)
    screen.paste(image, (60, 150))
    text(screen, 180 + image.height, 6, BLACK)
    return screen


def meme(image: Image.Image) -> Image.Image:
    screen = ImageOps.expand(image, (0, 60, 0, 0), WHITE)
    text(screen, 18, 1, BLACK)
    return screen


def framed_twice(image: Image.Image) -> Image.Image:
    inner = ImageOps.expand(ImageOps.expand(image, 2, BLACK), 2, WHITE)
    poster = ImageOps.expand(inner, (40, 40, 40, 120), BLACK)
    ImageDraw.Draw(poster).text((60, poster.height - 70), "PERSISTENCE", WHITE, font_size=30)
    return poster


def blurred_bars(image: Image.Image) -> Image.Image:
    square = ImageOps.fit(image, (300, 300))
    screen = ImageOps.fit(image, (300, 533)).filter(ImageFilter.GaussianBlur(20))
    screen.paste(square, (0, 116))
    return screen


CHANGES = {
    "white screenshot": lambda image: screenshot(image, WHITE, BLACK),
    "dark screenshot": lambda image: screenshot(image, DARK, WHITE),
    "page": on_page,
    "meme": meme,
    "framed twice": framed_twice,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", NAMES)
def test_the_picture_is_among_the_views(name, change):
    bits, _ = pdq(shown(name))
    changed = CHANGES[change](shown(name))
    assert distance(pdq(changed)[0], bits) > ALIKE, "else the whole would do"
    assert min(distance(pdq(view)[0], bits) for view in views(changed)) <= ALIKE


@pytest.mark.parametrize("name", NAMES)
def test_the_middle_between_blurred_bars(name):
    bits, _ = pdq(ImageOps.fit(shown(name), (300, 300)))
    seen = views(blurred_bars(shown(name)))
    assert min(distance(pdq(view)[0], bits) for view in seen) <= ALIKE


def test_two_pictures_side_by_side():
    left, right = shown("astronaut"), shown("coffee")
    screen = Image.new("RGB", (left.width + right.width + 60, 320), WHITE)
    screen.paste(left, (20, 20))
    screen.paste(right, (left.width + 40, 20))
    seen = [pdq(view)[0] for view in views(screen)]
    for image in (left, right):
        assert min(distance(bits, pdq(image)[0]) for bits in seen) <= ALIKE


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.sampled_from(["plain", "noise", "stripes"]),
    st.integers(0, 2**32 - 1),
)
def test_any_picture_has_few_views_within_it(size, kind, seed):
    random = np.random.default_rng(seed)
    pixels = np.full((size[1], size[0], 3), 200, np.uint8)
    if kind == "noise":
        pixels = random.integers(0, 256, pixels.shape, np.uint8)
    if kind == "stripes":
        pixels[:: random.integers(2, 20)] = 0
    seen = views(Image.fromarray(pixels))
    assert len(seen) <= 14
    for view in seen:
        assert 0 < view.width <= size[0]
        assert 0 < view.height <= size[1]
