"""Pictures are made smaller before they are hashed, and stay the same to whoever compares
hashes.
"""

from __future__ import annotations

import numpy as np
import pdqhash
import pytest
from PIL import Image
from skimage import data

from pairsieve.images.pdq import (
    MAX_PIXELS,
    distance,
    orientations,
    orientations_of,
    orientations_of_all,
    pdq,
)


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee", "rocket"])
def test_a_large_picture_has_the_hash_of_its_pixels(name):
    image = Image.fromarray(getattr(data, name)()).resize((2400, 1800), Image.Resampling.BICUBIC)
    bits, _ = pdqhash.compute(np.asarray(image))
    assert distance(pdq(image)[0], np.packbits(bits.astype(np.uint8)).tobytes()) < 10


def test_no_more_pixels_are_hashed(monkeypatch):
    seen = []
    compute = pdqhash.compute
    monkeypatch.setattr(
        "pairsieve.images.pdq.pdqhash.compute",
        lambda pixels: seen.append(pixels.shape) or compute(pixels),
    )
    orientations_of(Image.effect_noise((3000, 1500), 80))
    assert len(seen) == 8
    assert max(shape[0] * shape[1] for shape in seen) <= MAX_PIXELS


def test_a_picture_that_is_not_large_is_hashed_as_it_is():
    image = Image.fromarray(data.astronaut())
    bits, _ = pdqhash.compute(np.asarray(image))
    assert pdq(image)[0] == np.packbits(bits.astype(np.uint8)).tobytes()


def test_many_hashes_are_turned_as_one_is():
    hashes = np.random.default_rng(0).integers(0, 256, (20, 32), dtype=np.uint8)
    turned = orientations_of_all(hashes)
    for row, one in enumerate(hashes):
        assert {way[row].tobytes() for way in turned} == set(orientations(one.tobytes()))
    assert (turned[0] == hashes).all()
