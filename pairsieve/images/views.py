"""The pictures that may be in a picture: in a screenshot, a meme, a frame, a chat, a story.

People have a picture as they saw it, with something around it. Each view is a guess at what was
published. A wrong guess costs time and no false match, because other pictures' hashes are far off.

- Without borders of one colour (pairsieve/images/trim.py).
- Blocks that stand out from the ground: what differs nearly everywhere from the commonest colour,
  or from the colour of a side, is a picture. Text is not.
- Five standard crops: the largest boxes of common shapes in the middle, for what lies between bars
  that are no plain colour, such as blurred copies of the picture.

What was cut off is in no view: a picture of which a part is left is found by vectors alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pairsieve.images.trim import Box, trimmed

Mask = NDArray[np.bool_]

STANDARD_SHAPES = (1.0, 5 / 4, 4 / 3, 3 / 2, 16 / 9)
"""Longer side by shorter one, of pictures that cameras, phones and networks make."""
SIDE = 1024  # pixels of the copy in which blocks are looked for
CELL = 8  # pixels; letters are smaller than a block of such cells, with gaps between
TOLERANCE = 24  # of 255, in any channel, from the ground's colour; JPEG changes it by less
LEVELS = 8  # of each channel, when colours are counted
BUSY_SHARE = 0.5  # of a cell's pixels, that differ from the ground
FILLED_SHARE = 0.7  # of a block's cells, that are busy; below it is text or a drawing
MIN_AREA = 0.04  # of the whole; smaller blocks are icons and faces of a chat
MAX_BLOCKS = 4
THICK_CELLS = 4  # of a block, in both directions; letters are lower
INSET = 0.012  # of the side; PDQ bears a change of about 1 %
SAME_PIXELS = 3  # of SIDE
EDGE = 4  # pixels along a side, whose colour is looked at
EDGE_SHARE = 0.5  # of a line's pixels, that differ from the ground: it belongs to the block


def views(image: Image.Image) -> list[Image.Image]:
    """Return the views of an RGB picture, without the picture itself; at most 14."""
    found = [*_blocks(image), *_standard_crops(image)]
    inner = trimmed(image)
    return found if inner is image else [inner, *found]


def _standard_crops(image: Image.Image) -> Iterator[Image.Image]:
    """Yield the middle of a picture in each of the standard shapes.

    They lie across: a shape as wide as an upright picture, and as high as one that lies.
    """
    width, height = image.size
    for shape in STANDARD_SHAPES:
        if width >= height:
            across, down = round(height / shape), height
        else:
            across, down = width, round(width / shape)
        if min(across, down) < 1 or (across, down) == image.size:
            continue
        left, top = (width - across) // 2, (height - down) // 2
        yield image.crop((left, top, left + across, top + down))


def _blocks(image: Image.Image) -> Iterator[Image.Image]:
    """Yield the largest blocks of a picture, without their own borders; and a little less of each.

    A thin frame around a picture, or the round corners of a chat, are cut off by the latter.
    """
    factor = max(1, ceil(max(image.size) / SIDE))
    reduced = np.asarray(image.reduce(factor))
    for box in _boxes(reduced):
        left, top, right, bottom = (factor * place for place in box)
        block = image.crop((left, top, right, bottom))
        yield trimmed(block)
        across = round(INSET * block.width)
        down = round(INSET * block.height)
        yield block.crop((across, down, block.width - across, block.height - down))


def _boxes(pixels: NDArray[np.uint8]) -> list[Box]:
    """Return the boxes of the largest blocks in pixels (height, width, 3), the largest first."""
    whole = (0, 0, pixels.shape[1], pixels.shape[0])
    boxes: list[Box] = []
    for ground in _grounds(pixels):
        differs = np.abs(pixels.astype(np.int16) - ground).max(axis=2) > TOLERANCE
        boxes += [_refined(differs, box) for box in _boxes_of_cells(differs)]
    distinct: list[Box] = []
    for box in sorted(boxes, key=_area, reverse=True):
        if box != whole and not any(_is_near(box, other) for other in distinct):
            distinct.append(box)
    return distinct[:MAX_BLOCKS]


def _area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _is_near(box: Box, other: Box) -> bool:
    """Return whether two boxes differ by less than a change of the hash needs."""
    return max(abs(one - two) for one, two in zip(box, other, strict=True)) <= SAME_PIXELS


def _grounds(pixels: NDArray[np.uint8]) -> list[NDArray[np.int16]]:
    """Return the colours that may be the ground: the commonest one, and those of the four sides.

    A dark picture below a white bar has a commonest colour of its own.
    """
    parts = (pixels, pixels[:EDGE], pixels[-EDGE:], pixels[:, :EDGE], pixels[:, -EDGE:])
    grounds: list[NDArray[np.int16]] = []
    for part in parts:
        colour = _commonest_colour(part)
        if all(np.abs(colour - other).max() > TOLERANCE for other in grounds):
            grounds.append(colour)
    return grounds


def _commonest_colour(pixels: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Return the middle of the pixels in the fullest of LEVELS**3 boxes of colours."""
    levels = pixels.astype(np.int32) * LEVELS // 256
    red, green, blue = np.moveaxis(levels, -1, 0)
    boxes = (red * LEVELS + green) * LEVELS + blue
    fullest = np.bincount(boxes.ravel()).argmax()
    middle: NDArray[np.float64] = np.median(pixels[boxes == fullest], axis=0)
    return middle.astype(np.int16)


def _boxes_of_cells(differs: Mask) -> Iterator[Box]:
    """Yield the boxes of blocks, to the nearest cell."""
    from scipy import ndimage

    rows, columns = differs.shape[0] // CELL, differs.shape[1] // CELL
    if not rows or not columns:
        return
    cells = differs[: rows * CELL, : columns * CELL].reshape(rows, CELL, columns, CELL)
    busy = cells.mean(axis=(1, 3)) >= BUSY_SHARE
    # A part of the picture that has the ground's colour makes a hole, and the block is one.
    filled = ndimage.binary_fill_holes(busy)
    # Lines of text close to the picture are thinner than it.
    thick = ndimage.binary_opening(filled, np.ones((THICK_CELLS, THICK_CELLS), bool))
    labels, _ = ndimage.label(thick)
    for down, across in ndimage.find_objects(labels):
        block = filled[down, across]
        if block.size >= MIN_AREA * rows * columns and block.mean() >= FILLED_SHARE:
            yield CELL * across.start, CELL * down.start, CELL * across.stop, CELL * down.stop


def _refined(differs: Mask, box: Box) -> Box:
    """Move the sides of a box to the pixel at which the block begins, at most a cell away."""
    left, top, right, bottom = box
    height, width = differs.shape
    rows = differs[:, left:right].mean(axis=1) >= EDGE_SHARE
    columns = differs[top:bottom].mean(axis=0) >= EDGE_SHARE
    return (
        _first(columns, left, width),
        _first(rows, top, height),
        width - _first(columns[::-1], width - right, width),
        height - _first(rows[::-1], height - bottom, height),
    )


def _first(belongs: Mask, start: int, length: int) -> int:
    """Return the first line that belongs to the block, from a cell before `start` to one behind.

    They are looked at from within: a line of text that ends close to the block does not belong.
    """
    begin, end = max(0, start - CELL), min(length, start + CELL + 1)
    others = np.flatnonzero(~belongs[begin:end])
    if not len(others):
        return begin
    first = int(begin + others[-1] + 1)
    return first if first < end else start
