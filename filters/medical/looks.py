"""What a medical picture looks like without any model: the grey, smooth look of a radiograph, two
pictures side by side.

Both are components and never enough alone: of 26 other pictures 3 looked like radiographs, of 11
radiographs 10 did.
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
from pairsieve.images.prepare import within
from pairsieve.records.pair import Evidence
from pairsieve.records.privacy import Public

SIDE = 256  # pixels of the square on which the figures below were found
COLOUR_STEP = 4  # colour is looked for on a smaller square
LOW = 16  # frequencies below a sixteenth of the highest are low
Grey = NDArray[np.float32]


@dataclass(frozen=True)
class Radiograph:
    """`radiograph_like`: little colour (mean distance of the channels, 0 to 255), most of what
    changes in it changes slowly (share of the energy of low frequencies, 0 to 1), no fine detail
    (standard deviation of the Laplacian).
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
            square = picture.image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
            if colour(np.asarray(square.reduce(COLOUR_STEP), np.float32)) > self.max_colour:
                return {"radiograph_like": False}
            grey: Grey = np.asarray(square, np.float32).mean(axis=2)
            return {
                "radiograph_like": detail(grey) <= self.max_detail
                and low_frequency(grey) >= self.min_low_frequency
            }

        return observe


def colour(pixels: NDArray[np.float32]) -> float:
    """How far apart red, green and blue are on the mean, 0 to 255."""
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    return float(
        np.mean(np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue))
    )


def low_frequency(grey: Grey) -> float:
    """The share of the spectrum's energy, without the mean, at low frequencies; 0 for a picture of
    one tone.
    """
    energy = np.abs(np.fft.rfft2(grey - grey.mean())) ** 2
    rows, columns = np.fft.fftfreq(grey.shape[0]), np.fft.rfftfreq(grey.shape[1])
    low = np.hypot(rows[:, None], columns[None, :]) < 0.5 / LOW
    return float(energy[low].sum() / total) if (total := energy.sum()) else 0.0


def detail(grey: Grey) -> float:
    """The standard deviation of the Laplacian: what is sharp, and noise."""
    inner = grey[1:-1, 1:-1]
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float((around - 4 * inner).std())


@dataclass(frozen=True)
class Halves:
    """`halves_distance`: PDQ bits (of 256) in which the left half differs from the right, or the
    upper from the lower, whichever is nearer; before-and-after pairs have about 70, others 116 to
    152. Empty where a half shows too little to tell.
    """

    name: ClassVar[str] = "halves"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.IMAGE
    columns: ClassVar[Columns] = {"halves_distance": pa.int32()}

    def load(self) -> Observe:
        return lambda picture: {"halves_distance": halves_distance(picture.image)}


def halves_distance(image: Image.Image) -> int | None:
    """The distance of the two halves that are most alike."""
    image = within(image, SIDE)  # PDQ sees 64 pixels of a side
    width, height = image.size
    if min(width, height) < 2:
        return None
    across, down = width // 2, height // 2
    beside = (0, 0, across, height), (width - across, 0, width, height)
    stacked = (0, 0, width, down), (0, height - down, width, height)
    found = [
        between
        for halves in (beside, stacked)
        if (between := _between(*(image.crop(box) for box in halves))) is not None
    ]
    return min(found, default=None)


def _between(one: Image.Image, other: Image.Image) -> int | None:
    (first, first_quality), (second, second_quality) = pdq(one), pdq(other)
    return distance(first, second) if min(first_quality, second_quality) >= GOOD_QUALITY else None
