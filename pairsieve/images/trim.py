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

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
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


def trimmed(image: Image.Image) -> Image.Image:
    """Return an RGB picture without its borders.

    Where there are none the same object comes back, and also where more would go than
    MIN_SIDE_LEFT and MIN_AREA_LEFT allow: what is left of such a picture says too little of it.
    `trimmed(trimmed(image))` is `trimmed(image)`. Takes time in proportion to the pixels, so large
    pictures should be reduced first.
    """
    pixels = np.asarray(image)
    box = (0, 0, image.width, image.height)
    for _ in range(MAX_FRAMES):
        inner = _without_frame(pixels, box)
        if inner == box:
            break
        box = inner
    else:
        # Frames within frames without an end are a pattern.
        if _without_frame(pixels, box) != box:
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


def _without_frame(pixels: Pixels, box: Box) -> Box:
    """Return the box without the outermost border of each of its sides."""
    left, top, right, bottom = box
    # Upper and lower bars first: they are as wide as the picture, and would hide the sides' edges.
    within = pixels[top:bottom, left:right]
    upper, lower = _borders(within)
    if upper + lower >= bottom - top:
        return box
    top, bottom = top + upper, bottom - lower
    # Columns as lines.
    before, behind = _borders(pixels[top:bottom, left:right].swapaxes(0, 1))
    if before + behind >= right - left:
        return left, top, right, bottom
    return left + before, top, right - behind, bottom


def _borders(pixels: Pixels) -> tuple[int, int]:
    """Return how many lines at the beginning and at the end are a border."""
    first, last = border_lines(pixels), border_lines(pixels[::-1])
    # Frames and letterboxes are even. Where a dark picture has no edge to its black bar, the bar
    # on the other side tells how wide it is.
    if first and not last and _goes_on(pixels, pixels[::-1], first):
        last = first
    elif last and not first and _goes_on(pixels[::-1], pixels, last):
        first = last
    return first, last


def _goes_on(pixels: Pixels, opposite: Pixels, lines: int) -> bool:
    """Return whether the first lines of `opposite` are as plain, and of the same colour."""
    colour = np.median(pixels[0], axis=0)
    opposite_colour = np.median(opposite[:lines], axis=(0, 1))
    if np.abs(colour - opposite_colour).max() > NOISE:
        return False
    differences = _brightness(opposite[:lines]) - np.median(_brightness(pixels[0]))
    is_near = np.abs(differences) <= NOISE
    return bool((is_near.mean(axis=1) >= EVEN_SHARE).all())


def border_lines(pixels: Pixels) -> int:
    """Return how many lines at the beginning are a border; 0 where there is none.

    `pixels` is (lines, pixels of a line, 3).
    """
    lines = len(pixels)
    first = int(MIXED_SHARE * lines)
    colour = float(np.median(_brightness(pixels[first])))
    plain = first
    # Most pictures end here, after one line.
    while plain < lines and _is_plain(pixels[plain], colour):
        plain += 1
    if plain < MIN_BORDER * lines:
        return 0
    return _edge_at(pixels, plain)


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


def _is_plain(line: Pixels, colour: float) -> bool:
    brightness = _brightness(line)
    if abs(brightness.mean() - colour) > DRIFT:
        return False
    return bool((np.abs(brightness - colour) <= NOISE).mean() >= PLAIN_SHARE)


def _brightness(line: Pixels) -> NDArray[np.float32]:
    """Return the brightness of pixels, 0 to 255, as JPEG and PDQ compute it (ITU-R BT.601)."""
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    return line @ weights
