"""Pairs and pictures for tests of scoring."""

from __future__ import annotations

import io
from random import Random

from PIL import Image as PillowImage

from demo.pictures import picture
from demo.scenes import Scene
from pairsieve.records.pair import Pair, key_of
from pairsieve.records.sample import Image

SCENES = [
    Scene("star", "red", "white"),
    Scene("car", "blue", "yellow"),
    Scene("chest_xray"),
    Scene("fish", "green", "black"),
]


CAPTIONS = [
    "a star in red on a white background",
    "a car in blue on a yellow background",
    "x-ray of the lungs and ribs",
    "something else",
]


def png(image: PillowImage.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


CONTENTS = {f"{n:064x}": png(picture(scene, Random(n), 96)) for n, scene in enumerate(SCENES)}


def row(
    n: int,
    caption: str | None = None,
    status: str = "ok",
    sha256: str | None = None,
    subset: str = "en",
) -> tuple[Pair, Image]:
    url, text = f"https://a.example/{n}.png", caption or CAPTIONS[n % len(CAPTIONS)]
    pair = Pair(key_of(url, text), url, text, subset, "", "", "", 0, "", "", 0, {})
    found = sha256 or f"{n % len(SCENES):064x}"
    return pair, Image(pair.key, status, sha256=found if status == "ok" else None)
