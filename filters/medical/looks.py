"""Recognise medical pictures without a model: radiographs, and two similar pictures side by side.

Neither is enough alone, so the medical rule combines them with other evidence: of 11 radiographs 10
looked like one, and of 26 other pictures 3 did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from filters.detector import Columns, Needs, Observe
from filters.subjects import Picture
from pairsieve.images.pdq import GOOD_QUALITY, distance, pdq
from pairsieve.images.prepare import fit_within
from pairsieve.records.pair import Evidence
from pairsieve.records.privacy import Public

SIDE = 256  # pixels of the square on which the thresholds below were measured
COLOUR_STEP = 4  # colour is measured on a square that is smaller by this factor
LOW = 16  # frequencies below a sixteenth of the highest are low
Grey = NDArray[np.float32]
"""Grey pixels, shape (height, width), 0 to 255."""


@dataclass(frozen=True)
class Radiograph:
    """`radiograph_like`: whether a picture has the grey, smooth look of a radiograph.

    - `max_colour`: highest mean distance between the channels, 0 to 255.
    - `min_low_frequency`: lowest share of the energy in low frequencies, 0 to 1.
    - `max_detail`: highest standard deviation of the Laplacian.
    """

    name: ClassVar[str] = "radiograph"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.IMAGE
    columns: ClassVar[Columns] = {"radiograph_like": pa.bool_()}

    max_colour: Public[float] = 8.0
    min_low_frequency: Public[float] = 0.75
    max_detail: Public[float] = 45.0

    def load(self) -> Observe:
        def observe(picture: Picture) -> Evidence:
            return {"radiograph_like": self._is_radiograph_like(picture.image)}

        return observe

    def _is_radiograph_like(self, image: Image.Image) -> bool:
        square = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        # most pictures have colour, and this is the cheapest of the three checks
        if colour(np.asarray(square.reduce(COLOUR_STEP), np.float32)) > self.max_colour:
            return False
        grey: Grey = np.asarray(square, np.float32).mean(axis=2)
        has_little_detail = detail(grey) <= self.max_detail
        return has_little_detail and low_frequency(grey) >= self.min_low_frequency


def colour(pixels: NDArray[np.float32]) -> float:
    """Mean distance between the largest and the smallest of red, green and blue, 0 to 255.

    `pixels` has shape (height, width, 3).
    """
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    highest = np.maximum(np.maximum(red, green), blue)
    lowest = np.minimum(np.minimum(red, green), blue)
    return float(np.mean(highest - lowest))


def low_frequency(grey: Grey) -> float:
    """Share of the spectrum's energy at low frequencies, without the mean; 0 for one plain tone."""
    energy = np.abs(np.fft.rfft2(grey - grey.mean())) ** 2
    total = energy.sum()
    if not total:
        return 0.0
    height, width = grey.shape
    down = np.fft.fftfreq(height)[:, None]
    across = np.fft.rfftfreq(width)[None, :]
    # 0.5 cycles a pixel is the highest frequency
    is_low = np.hypot(down, across) < 0.5 / LOW
    return float(energy[is_low].sum() / total)


def detail(grey: Grey) -> float:
    """Standard deviation of the Laplacian: high for sharp edges and for noise."""
    # The pixels that have four neighbours, and these neighbours.
    inner = grey[1:-1, 1:-1]
    above = grey[:-2, 1:-1]
    below = grey[2:, 1:-1]
    left = grey[1:-1, :-2]
    right = grey[1:-1, 2:]
    laplacian = above + below + left + right - 4 * inner
    return float(laplacian.std())


@dataclass(frozen=True)
class Halves:
    """`halves_distance`: how different the two halves of a picture are, in PDQ bits of 256.

    It is the smaller of two distances: left half to right half, and upper half to lower half.
    Before-and-after pictures have about 70, others 116 to 152. It is empty when the halves hold too
    little detail for PDQ.
    """

    name: ClassVar[str] = "halves"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.IMAGE
    columns: ClassVar[Columns] = {"halves_distance": pa.int32()}

    def load(self) -> Observe:
        def observe(picture: Picture) -> Evidence:
            return {"halves_distance": halves_distance(picture.image)}

        return observe


def halves_distance(image: Image.Image) -> int | None:
    """PDQ bits between the two halves that are most alike; None when PDQ cannot tell."""
    image = fit_within(image, SIDE)  # PDQ itself sees 64 pixels of a side
    width, height = image.size
    if min(width, height) < 2:
        return None
    half_width, half_height = width // 2, height // 2
    left, right = (0, 0, half_width, height), (width - half_width, 0, width, height)
    upper, lower = (0, 0, width, half_height), (0, height - half_height, width, height)
    distances = [
        _pdq_distance(image.crop(left), image.crop(right)),
        _pdq_distance(image.crop(upper), image.crop(lower)),
    ]
    return min((bits for bits in distances if bits is not None), default=None)


def _pdq_distance(first: Image.Image, second: Image.Image) -> int | None:
    """PDQ bits between two pictures; None when one has too little detail for a reliable hash."""
    first_hash, first_quality = pdq(first)
    second_hash, second_quality = pdq(second)
    if min(first_quality, second_quality) < GOOD_QUALITY:
        return None
    return distance(first_hash, second_hash)
