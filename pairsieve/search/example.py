"""Turn an example picture into hashes, and into pixels for models. The picture is not stored.

People have a picture as they saw it: in a screenshot, in a meme. So its views are compared as well
(pairsieve/images/views.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from pairsieve.erasure.requests import EXAMPLES, MAX_EXAMPLE_BYTES
from pairsieve.images.decode import Undecodable, decode
from pairsieve.images.pdq import GOOD_QUALITY, orientations_of, pdq
from pairsieve.images.prepare import Pixels, Square, squared
from pairsieve.images.views import views


@dataclass(frozen=True)
class Example:
    """An example picture.

    `sha256` and `md5`: of its bytes, in hex. `pdq`: of its 8 orientations, with and without its
    borders. `pdq_of_views`: of its views, upright and mirrored; those of low quality are left out.
    """

    sha256: str = ""
    md5: str = ""
    pdq: Sequence[bytes] = ()
    pdq_of_views: Sequence[bytes] = ()


def read_example(
    content: bytes, squares: Sequence[Square]
) -> tuple[Example, tuple[Sequence[Pixels], ...]] | Undecodable:
    """Return the hashes of a picture, and the pixels of it and of its views for each model.

    `squares` are the models' inputs.
    """
    if len(content) > MAX_EXAMPLE_BYTES:
        return Undecodable("too_many_bytes")
    picture = decode(content, EXAMPLES)
    if isinstance(picture, Undecodable):
        return picture
    views_of_picture = views(picture.image)
    example = Example(
        hashlib.sha256(content).hexdigest(),
        hashlib.md5(content, usedforsecurity=False).hexdigest(),
        orientations_of(picture.image),
        tuple(_hashes_of(views_of_picture)),
    )
    pixels: list[Sequence[Pixels]] = []
    for square in squares:
        of_model = [squared(view, square) for view in (picture.image, *views_of_picture)]
        pixels.append([np.asarray(image) for image in of_model])
    return example, tuple(pixels)


def _hashes_of(seen: Sequence[Image.Image]) -> Iterator[bytes]:
    """Yield the PDQ hashes of views.

    Screenshots are seldom turned. What is mirrored is: cameras on the front of phones do so.
    """
    for view in seen:
        for turned in (view, ImageOps.mirror(view)):
            bits, quality = pdq(turned)
            if quality >= GOOD_QUALITY:
                yield bits
