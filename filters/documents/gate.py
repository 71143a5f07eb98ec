"""Estimate how much of a picture is writing, without reading it: about 2 ms a picture.

Letters have two edges close to each other, so a line of writing becomes a filled bar when the gaps
between strong edges are closed along the line. Bars are wide, low and full; leaves, bricks and
faces give blots of other shapes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

GATE_SIDE = 480  # pixels of the longer side on which the numbers below were chosen
STRONG_EDGE = 60  # grey levels between neighbours; printed letters have more
GAP = 9  # pixels between letters and words of a line
LOWEST, HIGHEST = 5, 75  # pixels of the height of a line
WIDER = 1.8  # times its height: how wide a line is at least
FULL = 0.5  # share of its box that a bar fills
EDGES = 0.25  # share of its box that are strong edges
LIGHT = 140  # grey level from which a page is light
PAGE_LINES = 6  # lines of writing on a light ground that look like a page or a card


@dataclass(frozen=True, slots=True)
class TextArea:
    """The area of a picture that may hold writing.

    `share`: of the picture, 0 to 1. `lines`: number of bars. `page_like`: whether there are several
    lines on a light ground.
    """

    share: float
    lines: int
    page_like: bool


def text_area(pixels: NDArray[np.uint8], opencv: Any) -> TextArea:
    """Estimate the writing in RGB pixels of shape (height, width, 3); `opencv` is the module."""
    grey = _reduced(opencv.cvtColor(pixels, opencv.COLOR_RGB2GRAY), opencv)
    cell = np.ones((3, 3), np.uint8)
    edges = opencv.morphologyEx(grey, opencv.MORPH_GRADIENT, cell)
    strong = (edges > STRONG_EDGE).astype(np.uint8)
    bars = opencv.morphologyEx(strong, opencv.MORPH_CLOSE, np.ones((1, GAP), np.uint8))
    number, labels, stats, _ = opencv.connectedComponentsWithStats(bars, connectivity=4)
    if number == 1:  # nothing but the ground
        return TextArea(0.0, 0, False)
    width, height, area = stats[1:, 2], stats[1:, 3], stats[1:, 4]
    edge_pixels = np.bincount(labels[strong > 0], minlength=number)[1:]
    box = width * height
    is_line = (
        (height >= LOWEST)
        & (height <= HIGHEST)
        & (width >= WIDER * height)
        & (area > FULL * box)
        & (edge_pixels > EDGES * box)
    )
    lines = int(is_line.sum())
    is_page = False
    if lines >= PAGE_LINES:
        in_bar = np.concatenate(([False], is_line))[labels]
        # strokes cover less than half of a bar, so its brighter pixels are the ground
        is_page = bool(np.percentile(grey[in_bar], 75) >= LIGHT)
    return TextArea(float(area[is_line].sum() / grey.size), lines, is_page)


def _reduced(grey: NDArray[np.uint8], opencv: Any) -> NDArray[np.uint8]:
    height, width = grey.shape
    scale = GATE_SIDE / max(height, width)
    if scale >= 1:
        return grey
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    reduced: NDArray[np.uint8] = opencv.resize(grey, size, interpolation=opencv.INTER_AREA)
    return reduced
