"""A picture that is shown holds its pixels, and nothing else of the file it came from."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from pairsieve.audit.pictures import as_jpeg
from pairsieve.explore.previews import make_preview

SECRET = b"taken by anna"


def with_comment_and_profile() -> bytes:
    picture = Image.linear_gradient("L").convert("RGB")
    exif = picture.getexif()
    exif[0x010E] = SECRET.decode()  # ImageDescription (Exif 2.32)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", comment=SECRET, icc_profile=SECRET, exif=exif)
    assert buffer.getvalue().count(SECRET) == 3
    return buffer.getvalue()


@pytest.mark.parametrize(
    "shown", [as_jpeg, lambda content: make_preview(content).clear], ids=["audit", "preview"]
)
def test_what_a_file_says_of_people_is_not_shown(shown):
    jpeg = shown(with_comment_and_profile())
    assert SECRET not in jpeg
    assert Image.open(io.BytesIO(jpeg)).size == (256, 256)
