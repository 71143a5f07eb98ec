"""Takes borders of one colour off a picture before it is hashed: frames, letterboxes, pillarboxes.

A border is a run of plain lines along a side, of any colour, that ends at a straight edge: just
behind it most of a line differs from the border's colour. The edge is what tells a border from a
picture that is plain by itself: a product on white, a drawing, a page of text or an evening sky
ends gradually or at a few points, and is left as it is. Bars that are filled with a blurred copy
of the picture, or that hold text, are no plain lines and stay.

The thresholds were set on 879 bordered copies of 55 photographs, drawings and textures, as PNG and
JPEG of quality 25 to 85, reduced and enlarged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Brightness = NDArray[np.uint8]
"""Of each pixel, 0 to 255."""
Box = tuple[int, int, int, int]
"""Left, top, right and bottom of what stays, in pixels."""

NOISE = 16  # of 255, in brightness: JPEG changes pixels of a plain border by less, but for a few
EVEN_SHARE = 0.8  # where only the border on the other side has an edge
PLAIN_SHARE = 0.9  # of the pixels of a plain line; the rest may be dust, or what JPEG rings
# Of 255, between the mean of a plain line and the colour of the border. A gradient drifts further.
DRIFT = 5
STEP = 16  # of 255, in any channel, from a pixel of the border to the one behind the edge
EDGE_SHARE = 0.5  # of the pixels along the edge
# From the last plain line to the edge: JPEG rings over blocks of 8 pixels, and the picture may have
# been enlarged.
RINGING_LINES = 8
RINGING_SHARE = 0.0125  # of the side, in addition
MIXED_SHARE = 0.005  # of the side: outermost lines that resizing may have mixed with others
MIN_BORDER = 0.01  # of the side; an outermost line or two may be an error of an encoder
MIN_SIDE_LEFT = 0.3  # of width and of height; a video of 9:16 in a screen of 16:9 has 0.32
MIN_AREA_LEFT = 0.25  # of the picture
MIN_PIXELS_LEFT = 32  # of each side; PDQ looks at 64 x 64
MAX_FRAMES = 4  # one within the other, such as a black line within a white frame


@dataclass(frozen=True, slots=True)
class _View:
    """A part of a picture, perhaps turned: its pixels (lines, pixels of a line, 3) and brightness.

    The brightness is what JPEG and PDQ compute (ITU-R BT.601), in whole numbers: those are the same
    on every processor.
    """

    pixels: Pixels
    brightness: Brightness

    def cut(self, lines: slice, across: slice = slice(None)) -> _View:
        return _View(self.pixels[lines, across], self.brightness[lines, across])

    @property
    def columns(self) -> _View:
        """The same with columns as lines."""
        return _View(self.pixels.swapaxes(0, 1), self.brightness.swapaxes(0, 1))

    @property
    def from_the_end(self) -> _View:
        """The same with the last line first."""
        return self.cut(slice(None, None, -1))


def trimmed(image: Image.Image) -> Image.Image:
    """Return an RGB picture without its borders.

    Where there are none the same object comes back, and also where more would go than
    MIN_SIDE_LEFT and MIN_AREA_LEFT allow: what is left of such a picture says too little of it.
    `trimmed(trimmed(image))` is `trimmed(image)`. Takes time in proportion to the pixels, so large
    pictures should be reduced first.
    """
    view = _View(np.asarray(image), np.asarray(image.convert("L")))
    box = (0, 0, image.width, image.height)
    for _ in range(MAX_FRAMES):
        inner = _without_frame(view, box)
        if inner == box:
            break
        box = inner
    else:
        # Frames within frames without an end are a pattern.
        if _without_frame(view, box) != box:
            return image
    if box == (0, 0, image.width, image.height) or not _leaves_enough(box, image.size):
        return image
    return image.crop(box)


def _leaves_enough(box: Box, size: tuple[int, int]) -> bool:
    """Return whether enough of the picture lies in the box to be that picture."""
    width, height = box[2] - box[0], box[3] - box[1]
    shortest_share = min(width / size[0], height / size[1])
    area_share = width * height / (size[0] * size[1])
    return (
        min(width, height) >= MIN_PIXELS_LEFT
        and shortest_share >= MIN_SIDE_LEFT
        and area_share >= MIN_AREA_LEFT
    )


def _without_frame(view: _View, box: Box) -> Box:
    """Return the box without the outermost border of each of its sides."""
    left, top, right, bottom = box
    # Upper and lower bars first: they are as wide as the picture, and would hide the sides' edges.
    upper, lower = _borders(view.cut(slice(top, bottom), slice(left, right)))
    if upper + lower >= bottom - top:
        return box
    top, bottom = top + upper, bottom - lower
    before, behind = _borders(view.cut(slice(top, bottom), slice(left, right)).columns)
    if before + behind >= right - left:
        return left, top, right, bottom
    return left + before, top, right - behind, bottom


def _borders(view: _View) -> tuple[int, int]:
    """Return how many lines at the beginning and at the end are a border."""
    reverse = view.from_the_end
    first, last = border_lines(view), border_lines(reverse)
    # Frames and letterboxes are even. Where a dark picture has no edge to its black bar, the bar
    # on the other side tells how wide it is.
    if first and not last and _goes_on(view, reverse, first):
        last = first
    elif last and not first and _goes_on(reverse, view, last):
        first = last
    return first, last


def _goes_on(view: _View, opposite: _View, lines: int) -> bool:
    """Return whether the first lines of `opposite` are as plain, and of the same colour."""
    colour = np.median(view.pixels[0], axis=0)
    opposite_colour = np.median(opposite.pixels[:lines], axis=(0, 1))
    if np.abs(colour - opposite_colour).max() > NOISE:
        return False
    shares, _ = _nearness(opposite.brightness[:lines], float(np.median(view.brightness[0])))
    return bool((shares >= EVEN_SHARE).all())


def border_lines(view: _View) -> int:
    """Return how many lines at the beginning are a border; 0 where there is none."""
    lines = len(view.brightness)
    first = int(MIXED_SHARE * lines)
    colour = float(np.median(view.brightness[first]))
    plain = first + _plain_lines(view.brightness[first:], colour)
    if plain < MIN_BORDER * lines:
        return 0
    return _edge_at(view.pixels, plain)


def _plain_lines(lines: Brightness, colour: float) -> int:
    """Return how many lines at the beginning are plain."""
    number = 0
    # Most pictures end here, after one line. So more and more are looked at in one go.
    at_once = 1
    while number < len(lines):
        shares, means = _nearness(lines[number : number + at_once], colour)
        is_plain = (np.abs(means) <= DRIFT) & (shares >= PLAIN_SHARE)
        if not is_plain.all():
            return number + int(is_plain.argmin())
        number += len(is_plain)
        at_once *= 4
    return number


def _nearness(
    lines: Brightness, colour: float
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return for each line the share of pixels near a brightness, and how far off its mean is."""
    differences = lines - np.float32(colour)
    return (np.abs(differences) <= NOISE).mean(axis=1), differences.mean(axis=1)


def _edge_at(pixels: Pixels, plain: int) -> int:
    """Return the number of the line that an edge lies before; 0 where there is no edge.

    It is looked for from the last plain line on.
    """
    ringing = RINGING_LINES + int(RINGING_SHARE * len(pixels))
    start = max(plain - 3, 0)
    window = pixels[start : plain + ringing].astype(np.int16)
    if len(window) < 4:
        return 0
    # Over three lines, because resizing mixes the one or two at the edge.
    steps = np.abs(window[3:] - window[:-3]).max(axis=2) > STEP
    shares = steps.mean(axis=1)
    steepest = int(shares.argmax())
    if shares[steepest] < EDGE_SHARE:
        return 0
    # The edge lies before one of the three lines.
    near = window[steepest : steepest + 4]
    changes = np.abs(np.diff(near, axis=0)).mean(axis=(1, 2))
    return start + steepest + 1 + int(changes.argmax())
