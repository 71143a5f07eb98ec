"""Measures the detectors of pictures, for benchmarks/detectors.py."""

from __future__ import annotations

import hashlib
import io
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product

import numpy as np
from PIL import Image

from filters.detector import Detector
from filters.documents.detector import TextInPicture
from filters.medical.looks import Halves, Radiograph
from filters.observe import load_all
from filters.pictures.faces import Faces
from filters.pictures.nsfw_picture import NsfwPicture
from filters.pictures.picture_hash import PictureHash
from filters.subjects import Picture
from pairsieve.records.pair import Pair, key_of
from pairsieve.records.sample import Image as FetchedImage
from pairsieve.storage.settled import Looking
from pairsieve.warc.source import ArchiveSettings
from pipeline.load_config import load_config
from pipeline.orchestrate.config_file import CONFIGS
from pipeline.orchestrate.plan import look_up, score_settings
from transforms.score.handler import load_scorer
from transforms.score.score_rows import score_rows

DEMO = CONFIGS / "demo.yaml"

ROUNDS = 3
SIDES = (224, 320, 480, 640)  # pixels of the longer side
WITH_FACE = ("astronaut", "camera")
WITHOUT_FACE = (
    "cat",
    "coffee",
    "rocket",
    "retina",
    "logo",
    "brick",
    "grass",
    "gravel",
    "moon",
    "page",
    "text",
    "coins",
)
SCANS = ("CT_small.dcm", "MR_small.dcm")
NO_SCANS = ("astronaut", *WITHOUT_FACE)


def shown(name: str) -> Image.Image:
    """Return a picture of scikit-image, or a scan of pydicom.

    The darkest and the brightest hundredth of a scan are cut off.
    """
    if not name.endswith(".dcm"):
        from skimage import data

        return Image.fromarray(getattr(data, name)()).convert("RGB")
    import pydicom
    from pydicom.data import get_testdata_file

    scan = pydicom.dcmread(str(get_testdata_file(name, download=False)))
    pixels = scan.pixel_array.astype(float)
    low, high = np.percentile(pixels, [1, 99])
    scaled = np.clip((pixels - low) / (high - low), 0, 1) * 255
    return Image.fromarray(scaled.astype(np.uint8)).convert("RGB")


@dataclass(frozen=True)
class PictureTest:
    """A detector of pictures, those that it should find, and others."""

    name: str
    finds: Callable[[Picture], bool]
    positive: Sequence[str]
    negative: Sequence[str]


def _picture_tests() -> Sequence[PictureTest]:
    faces = Faces(min_score=0.5).load()
    radiograph = Radiograph().load()
    nsfw = NsfwPicture(0.2, 0.8).load()
    return (
        PictureTest(
            "faces", lambda picture: bool(faces(picture)["face_count"]), WITH_FACE, WITHOUT_FACE
        ),
        PictureTest(
            "radiograph",
            lambda picture: bool(radiograph(picture)["radiograph_like"]),
            SCANS,
            NO_SCANS,
        ),
        # No picture that it should find can be shipped.
        PictureTest(
            "nsfw_picture", lambda picture: nsfw(picture)["nsfw"] != "UNLIKELY", (), WITHOUT_FACE
        ),
    )


def pictures(rounds: int) -> Iterator[str]:
    """Measure picture detectors on pictures that they should find, and on others."""
    yield "| pictures | found | of | false | of | ms a picture |\n|---|---|---|---|---|---|"
    for test in _picture_tests():
        missed = [name for name in test.positive if not test.finds(Picture(shown(name)))]
        false = [name for name in test.negative if test.finds(Picture(shown(name)))]
        started = time.perf_counter()
        for _ in range(rounds):
            test.finds(Picture(shown("coffee")))
        ms = (time.perf_counter() - started) / rounds * 1000
        found = len(test.positive) - len(missed)
        yield (
            f"| {test.name} | {found} | {len(test.positive)} | {len(false)} | "
            f"{len(test.negative)} | {ms:.1f} |"
        )
        if missed or false:
            yield f"missed: {missed}; false: {false}"


def picture_stage(number: int) -> Iterator[str]:
    """Measure the picture detectors together, on as many threads as cores, in two ways.

    They are those of the LAION configs but for `nsfw_picture`; once without `text_in_picture`.
    """
    without: tuple[Detector, ...] = (Faces(min_score=0.5), PictureHash(), Radiograph(), Halves())
    both: tuple[Detector, ...] = (*without, TextInPicture())
    # in turns, because other work on the machine slows both
    rounds = [(_rate(without, number), _rate(both, number)) for _ in range(ROUNDS)]
    rate, rate_with_text, share = _medians(rounds)
    names = ", ".join(detector.name for detector in without)
    yield f"{names} on {number} pictures of {SIDES} pixels: {rate:.1f} images/s"
    yield f"with text_in_picture: {rate_with_text:.1f} images/s, {share:.2f} of the rate without it"
    yield f"goal images_per_s {rate:.1f} >= 40"
    yield f"goal images_per_s_with_text {rate_with_text:.1f} >= 35"


def _medians(rounds: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """The medians of first rates, of second rates, and of second by first in the same round."""
    first = statistics.median(first for first, _ in rounds)
    second = statistics.median(second for _, second in rounds)
    share = statistics.median(second / first for first, second in rounds)
    return first, second, share


def score_stage(number: int) -> Iterator[str]:
    """Measure the whole score stage on the same pictures as JPEG files, in turns.

    They are decoded, prepared and embedded by the demonstration's model, and the detectors look at
    them: once without `text_in_picture`.
    """
    without: tuple[Detector, ...] = (Faces(min_score=0.5), PictureHash(), Radiograph(), Halves())
    both: tuple[Detector, ...] = (*without, TextInPicture())
    rounds = [(_stage_rate(without, number), _stage_rate(both, number)) for _ in range(ROUNDS)]
    rate, rate_with_text, share = _medians(rounds)
    yield f"the whole score stage on {number} of them as JPEG: {rate:.1f} images/s"
    yield f"with text_in_picture: {rate_with_text:.1f} images/s, {share:.2f} of the rate without it"
    yield f"goal stage_images_per_s_with_text {rate_with_text:.1f} >= 35"


def _stage_rate(detectors: Sequence[Detector], number: int) -> float:
    """Images a second of the score stage with these detectors."""
    config = load_config(DEMO)
    # Detectors look at every picture, however little it resembles its caption.
    looking = Looking(-1.0, -1.0)
    archive = ArchiveSettings(config.fetch.max_bytes)
    settings = score_settings(config, look_up(config).models, archive, looking)
    scorer = load_scorer(settings, detectors)
    content_of = {hashlib.sha256(content).hexdigest(): content for content in _jpegs(number)}
    pairs, images = [], []
    for at, sha256 in enumerate(content_of):
        url, caption = f"https://pictures.example/{at}.jpg", f"picture {at}"
        key = key_of(url, caption)
        pairs.append(Pair(key, url, caption, "en", "en", "", "", 0, "", "", 0, {}))
        images.append(FetchedImage(key, "ok", sha256=sha256))

    def read(image: FetchedImage) -> bytes:
        return content_of[image.sha256 or ""]

    try:
        # The first pictures load what is loaded late.
        score_rows(pairs[:4], images[:4], read, scorer)
        started = time.perf_counter()
        scores = score_rows(pairs[4:], images[4:], read, scorer)
        seconds = time.perf_counter() - started
    finally:
        scorer.processes.close()
        scorer.executor.shutdown()
    wrong = [score for score in scores if score.status != "ok" or score.errors]
    assert not wrong, wrong[:1]
    return len(scores) / seconds


def _jpegs(number: int) -> Iterator[bytes]:
    """Yield JPEG files of a photograph each, no two alike."""
    pictures = _photographs()
    for at in range(number):
        image = pictures[at % len(pictures)].image.copy()
        # A spot of another place and colour makes another file.
        spot = (at % image.width, at % image.height)
        image.paste((at % 256, at // 256, 128), (*spot, spot[0] + 8, spot[1] + 8))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=90)
        yield buffer.getvalue()


def _photographs() -> list[Picture]:
    names_and_sides = product((*WITH_FACE, "cat", "coffee", "rocket"), SIDES)
    return [Picture(_resized(shown(name), side)) for name, side in names_and_sides]


def _rate(detectors: Sequence[Detector], number: int) -> float:
    """Images a second of these detectors together."""
    observe = load_all(detectors)
    distinct = _photographs()
    work = [distinct[i % len(distinct)] for i in range(number)]
    with ThreadPoolExecutor(os.cpu_count()) as executor:
        # The first pictures load what detectors load late.
        list(executor.map(observe, distinct[:4]))
        started = time.perf_counter()
        list(executor.map(observe, work))
        return number / (time.perf_counter() - started)


def _resized(image: Image.Image, longer_side: int) -> Image.Image:
    scale = longer_side / max(image.size)
    return image.resize((round(image.width * scale), round(image.height * scale)))
