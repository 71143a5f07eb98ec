"""Read the writing in a picture with RapidOCR (extra `ocr`).

Finding lines takes about 0.1 s and recognising them 0.02 to 0.05 s each, in proportion to their
width. So short lines are recognised first, because titles, labels, greetings and signs are short;
long lines are cut; and reading ends at a limit of width, or when the caller has enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filters.detector import required

LINE_HEIGHT = 48  # pixels to which the recogniser scales a line
LONGEST = 480  # pixels of a line that are recognised: some 25 letters
BATCH = 6  # lines that are recognised together
SURE = 0.5  # lowest score of a line (RapidOCR's own)


@dataclass(frozen=True)
class Reader:
    """A loaded RapidOCR. `limit`: pixels of line width at most, at a height of LINE_HEIGHT."""

    library: Any
    limit: int

    def lines(
        self, pixels: NDArray[np.uint8], is_enough: Callable[[Sequence[str]], bool]
    ) -> list[str]:
        """The lines of RGB pixels, short ones first.

        `is_enough` is asked after each batch and gets all lines so far.
        """
        colours_reversed = np.ascontiguousarray(pixels[:, :, ::-1])  # OpenCV's order
        lines: list[str] = []
        for batch in _batches(self._crops(colours_reversed), self.limit):
            recognised, _ = self.library.text_rec(batch)
            lines += [text for text, score in recognised if score >= SURE]
            if is_enough(lines):
                break
        return lines

    def _crops(self, pixels: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
        """The pictures of lines: short ones from top to bottom, then the starts of long ones."""
        boxes, _ = self.library.text_det(pixels)
        if boxes is None or not len(boxes):
            return []
        in_order = self.library.sorted_boxes(boxes)
        crops = self.library.get_crop_img_list(pixels, in_order)
        longest = LONGEST / LINE_HEIGHT
        short = []
        starts_of_long = []
        for crop in crops:
            height, width = crop.shape[:2]
            if width <= longest * height:
                short.append(crop)
            else:
                starts_of_long.append(crop[:, : round(longest * height)])
        return short + starts_of_long


def _batches(crops: Sequence[NDArray[np.uint8]], limit: int) -> Iterator[list[NDArray[np.uint8]]]:
    """Batches of lines, as long as their width together is within the limit."""
    batch: list[NDArray[np.uint8]] = []
    width = 0.0
    for crop in crops:
        width += crop.shape[1] * LINE_HEIGHT / crop.shape[0]
        if width > limit:
            break
        batch.append(crop)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def load_reader(limit: int) -> Reader:
    """Load RapidOCR. Raises MissingExtra."""
    library = required("rapidocr_onnxruntime", "ocr").RapidOCR(
        # one thread a picture: workers share the cores
        intra_op_num_threads=1,
        inter_op_num_threads=1,
        # RapidOCR would enlarge every picture to 736 pixels at least, at four times the cost
        det_limit_type="min",
        det_limit_side_len=32,
    )
    return Reader(library, limit)
