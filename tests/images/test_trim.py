"""Borders are taken off before a picture is hashed, and what is plain by itself is left whole."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageOps
from skimage import data

from pairsieve.images.pdq import (
    ALIKE,
    GOOD_QUALITY,
    TURNS,
    as_hashes,
    nearest,
    orientations_of,
    pdq,
    pdq_trimmed,
)
from pairsieve.images.trim import MAX_FRAMES, trimmed

WHITE, BLACK, GREY, BLUE = (255, 255, 255), (0, 0, 0), (128, 128, 128), (30, 60, 200)
NAMES = ("astronaut", "camera", "cat", "coffee", "immunohistochemistry", "motorcycle")
# A border of the colour of the sky cannot be told from it.
WITHOUT_SKY = tuple(name for name in NAMES if name != "camera")


@cache
def shown(name: str) -> Image.Image:
    """Return a picture of scikit-image at half its size, where tests are fast."""
    pixels = data.stereo_motorcycle()[0] if name == "motorcycle" else getattr(data, name)()
    return Image.fromarray(pixels).convert("RGB").reduce(2)


def framed(image: Image.Image, share: float, colour, sides: str = "ltrb") -> Image.Image:
    """Add a border of a share of width and height to some sides: left, top, right, bottom."""
    across, down = round(image.width * share), round(image.height * share)
    widths = [across, down, across, down]
    return ImageOps.expand(
        image,
        tuple(width * (side in sides) for width, side in zip(widths, "ltrb", strict=True)),
        colour,
    )


def as_jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def padded(image: Image.Image, across: int, down: int, colour=BLACK) -> Image.Image:
    """Put a picture into the middle of a screen of across:down."""
    if image.width * down < image.height * across:
        size = (round(image.height * across / down), image.height)
    else:
        size = (image.width, round(image.width * down / across))
    return ImageOps.pad(image, size, color=colour)


def with_noise(image: Image.Image, deviation: float) -> Image.Image:
    noise = np.random.default_rng(1).normal(0, deviation, (image.height, image.width, 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def double(image: Image.Image) -> Image.Image:
    return framed(framed(image, 0.03, BLACK), 0.05, WHITE)


BORDERS = {
    "white 3 %": lambda image: framed(image, 0.03, WHITE),
    "white 5 %": lambda image: framed(image, 0.05, WHITE),
    "black 10 %": lambda image: framed(image, 0.1, BLACK),
    "grey 5 %": lambda image: framed(image, 0.05, GREY),
    "blue 5 %": lambda image: framed(image, 0.05, BLUE),
    "left": lambda image: framed(image, 0.1, WHITE, "l"),
    "below": lambda image: framed(image, 0.1, BLACK, "b"),
    "above and below": lambda image: framed(image, 0.1, BLACK, "tb"),
    "letterbox 4:5": lambda image: padded(image, 4, 5),
    "pillarbox 16:9": lambda image: padded(image, 16, 9),
    "black in white": double,
    "noise": lambda image: with_noise(framed(image, 0.05, GREY), 3),
    "JPEG at quality 75": lambda image: as_jpeg(framed(image, 0.05, WHITE), 75),
    "JPEG at quality 50": lambda image: as_jpeg(framed(image, 0.05, BLUE), 50),
    "reduced": lambda image: framed(image, 0.05, BLACK).resize((301, 283)),
}


def drawing(draw) -> Image.Image:
    image = Image.new("RGB", (400, 300), WHITE)
    draw(ImageDraw.Draw(image))
    return image


def text(draw) -> None:
    for line in range(6):
        draw.text((60, 60 + 30 * line), f"Some words of line {line} on white", BLACK)


GRADIENT = Image.fromarray(np.repeat(np.linspace(40, 250, 300), 400).reshape(300, 400)).convert(
    "RGB"
)
PLAIN = {
    "one colour": Image.new("RGB", (400, 300), BLUE),
    "an evening sky": GRADIENT,
    "text": drawing(text),
    "a disc": drawing(lambda draw: draw.ellipse((100, 50, 300, 250), BLUE)),
    "a line drawing": drawing(lambda draw: draw.line((60, 250, 200, 40, 350, 260, 60, 250), BLACK)),
    "a thin cross": drawing(lambda draw: draw.line((200, 40, 200, 260), BLACK, 3)),
    "a small picture on white": ImageOps.expand(shown("cat").resize((90, 60)), 150, WHITE),
    "frames without an end": Image.fromarray(
        np.repeat(
            np.minimum.outer(*[np.minimum(np.arange(240), np.arange(240)[::-1])] * 2)[..., None]
            // 10
            % 2
            * 255,
            3,
            axis=2,
        ).astype(np.uint8)
    ),
}


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("name", NAMES)
def test_a_border_does_not_hide_a_picture(name, border):
    image = shown(name)
    bordered = BORDERS[border](image)
    whole = as_hashes([pdq(image)[0]])
    assert nearest(as_hashes([pdq(bordered)[0]]), whole)[0] > ALIKE, "the border does hide it"
    inner = pdq_trimmed(bordered)
    # A request by the original finds the bordered copy, and one by the copy finds the original.
    assert inner
    assert nearest(as_hashes([inner]), as_hashes(orientations_of(image)))[0] <= ALIKE
    assert nearest(whole, as_hashes(orientations_of(bordered)))[0] <= ALIKE


@pytest.mark.parametrize("name", PLAIN)
def test_what_is_plain_by_itself_is_left_whole(name):
    assert trimmed(PLAIN[name]) is PLAIN[name]
    assert pdq_trimmed(PLAIN[name]) is None


def test_a_picture_without_a_border_keeps_its_hashes():
    for name in NAMES:
        image = shown(name)
        assert trimmed(image) is image
        turned = [image if turn is None else image.transpose(turn) for turn in TURNS]
        assert list(orientations_of(image)) == [pdq(picture)[0] for picture in turned]


def test_a_plain_picture_in_a_frame_has_no_hash_of_its_own():
    """What the frame holds resembles every other plain picture."""
    bordered = framed(Image.new("RGB", (200, 200), BLUE), 0.05, WHITE)
    assert trimmed(bordered).size == (200, 200)
    assert pdq(trimmed(bordered))[1] < GOOD_QUALITY
    assert pdq_trimmed(bordered) is None


@pytest.mark.parametrize("frames", [1, MAX_FRAMES, MAX_FRAMES + 1])
def test_so_many_frames_are_taken_off(frames):
    image = shown("coffee")
    bordered = image
    for number in range(frames):
        bordered = ImageOps.expand(bordered, 12, WHITE if number % 2 else BLACK)
    assert trimmed(bordered).size == (image.size if frames <= MAX_FRAMES else bordered.size)


@pytest.mark.parametrize(("side", "is_trimmed"), [(150, True), (60, False)])
def test_enough_of_a_picture_must_be_left(side, is_trimmed):
    image = shown("astronaut").resize((side, side))
    bordered = ImageOps.pad(image, (side, 256), color=BLACK)
    assert (trimmed(bordered).size == image.size) is is_trimmed


@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (2, 2), (3, 3), (64, 64), (3000, 40)])
def test_pictures_of_any_size_are_taken(size):
    for colour in (WHITE, BLACK):
        image = Image.new("RGB", size, colour)
        assert trimmed(image) is image
        assert orientations_of(image) == ()


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(WITHOUT_SKY),
    st.tuples(*[st.integers(0, 40)] * 4),
    st.tuples(*[st.integers(0, 255)] * 3),
)
def test_any_plain_border_is_taken_off(name, widths, colour):
    image = shown(name)
    bordered = ImageOps.expand(image, tuple(0 if width < 8 else width for width in widths), colour)
    found = trimmed(bordered)
    hashes = [pdq(bordered)[0], *filter(None, [pdq_trimmed(bordered)])]
    distances = nearest(as_hashes(hashes), as_hashes([pdq(image)[0]]))
    assert distances.min() <= ALIKE
    assert trimmed(found) is found


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 90), st.integers(1, 90), st.integers(1, 6))
def test_what_is_trimmed_is_not_trimmed_again(seed, width, height, tones):
    """Pictures of a few plain squares, some of which look like borders."""
    squares = np.random.default_rng(seed).integers(0, 256, (tones, tones, 3)).astype(np.uint8)
    image = Image.fromarray(squares).resize((width, height), Image.Resampling.NEAREST)
    once = trimmed(image)
    assert trimmed(once) is once
