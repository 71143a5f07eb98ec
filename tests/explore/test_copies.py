"""Results that show the same picture are one card."""

from __future__ import annotations

import html
import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from skimage import data
from starlette.testclient import TestClient

from pairsieve.erasure.queue import waiting
from pairsieve.explore.copies import group_copies
from pairsieve.images.pdq import ALIKE, pdq
from pairsieve.search.find import Hit
from tests.explore.conftest import indexed

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
PICTURE = Image.fromarray(data.astronaut()).convert("RGB").reduce(2)
OTHER = Image.fromarray(data.coffee()).convert("RGB").reduce(2)


def hits(*rows) -> list[Hit]:
    return [Hit(number, row, 1.0) for number, row in enumerate(rows)]


def ids(groups) -> list[list[int]]:
    return [[hit.id for hit in group] for group in groups]


def with_bits(number: int) -> str:
    """A hash that differs from all zeros in so many bits."""
    bits = np.zeros(256, np.uint8)
    bits[:number] = 1
    return np.packbits(bits).tobytes().hex()


def hash_of(image: Image.Image) -> str:
    return pdq(image)[0].hex()


@pytest.mark.parametrize(
    ("rows", "groups"),
    [
        ([], []),
        ([{}, {}], [[0], [1]]),
        ([{"sha256": "a"}, {"sha256": "b"}, {"sha256": "a"}], [[0, 2], [1]]),
        ([{"pdq": with_bits(0)}, {"pdq": with_bits(ALIKE)}], [[0, 1]]),
        ([{"pdq": with_bits(0)}, {"pdq": with_bits(ALIKE + 1)}], [[0], [1]]),
        # No chains: the third is like the second, and not like the first.
        ([{"pdq": with_bits(0)}, {"pdq": with_bits(30)}, {"pdq": with_bits(60)}], [[0, 1], [2]]),
        ([{"pdq": with_bits(0)}, {"pdq_trimmed": with_bits(1), "pdq": "ff" * 32}], [[0, 1]]),
        ([{"pdq": "zz"}, {"pdq": "zz"}, {"pdq": 1}, {"pdq": "00"}], [[0], [1], [2], [3]]),
        ([{"pdq": hash_of(PICTURE)}, {"pdq": hash_of(OTHER)}], [[0], [1]]),
        (
            [{"pdq": hash_of(PICTURE)}, {"pdq": hash_of(PICTURE.resize((100, 100)))}],
            [[0, 1]],
        ),
        (
            [
                {"pdq": hash_of(PICTURE)},
                {"pdq": hash_of(PICTURE.transpose(Image.Transpose.FLIP_LEFT_RIGHT))},
                {"pdq": hash_of(PICTURE.transpose(Image.Transpose.ROTATE_90))},
            ],
            [[0, 1, 2]],
        ),
    ],
)
def test_groups(rows, groups):
    assert ids(group_copies(hits(*rows))) == groups


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "sha256": st.sampled_from("abc"),
                "pdq": st.sampled_from([with_bits(n) for n in (0, 20, 40, 128)]),
            },
        ),
        max_size=12,
    )
)
def test_every_hit_is_in_one_group(rows):
    groups = ids(group_copies(hits(*rows)))
    assert sorted(number for group in groups for number in group) == list(range(len(rows)))
    assert [group[0] for group in groups] == sorted(group[0] for group in groups)


ROWS = [
    {
        "URL": "https://a.example/cat.jpg",
        "TEXT": "cat one",
        "sha256": "a" * 64,
        "pdq": hash_of(PICTURE),
        "similarity": 0.4,
        "face_count": 0,
        "page_url": "https://a.example/",
    },
    {
        "URL": "https://b.example/copy.jpg",
        "TEXT": "cat <b>two",
        "sha256": "b" * 64,
        "pdq": hash_of(PICTURE.resize((200, 200))),
        "similarity": 0.3,
        "face_count": 1,
        "page_url": "javascript:alert(1)",
    },
    {
        "URL": "https://c.example/other.jpg",
        "TEXT": "cat three",
        "sha256": "c" * 64,
        "pdq": hash_of(OTHER),
        "similarity": 0.2,
        "face_count": 0,
        "page_url": "https://c.example/",
    },
]


@pytest.fixture
def client(served, tmp_path):
    place = indexed(tmp_path / "out", ROWS)
    app = served(dataset=str(place), index=f"{place}.index")
    return TestClient(app, raise_server_exceptions=False)


def values(page: str, pattern: str) -> list[str]:
    return [html.unescape(value) for value in re.findall(pattern, page)]


def test_a_picture_and_its_copies_are_one_card(client):
    page = client.get("/", params={"q": "cat"}).text
    assert page.count('<li class="card">') == 2
    assert "3 found" in page
    assert "Copies of this picture: 1" in page
    assert "https://b.example/copy.jpg" in page
    assert "cat &lt;b&gt;two" in page
    assert 'href="javascript' not in page


def test_a_copy_that_shows_a_face_keeps_the_picture_behind_a_click(client):
    page = client.get("/", params={"q": "cat", "pics": "1"}).text
    assert page.count("<img") == 2
    assert page.count('<details class="behind">') == 1
    assert "a face" in page


def test_one_receipt_for_a_picture_and_its_copies(client, tmp_path):
    page = client.get("/", params={"q": "cat"}).text
    (first, second) = values(page, r'type="checkbox" name="picture" value="([^"]+)"')
    assert len(json.loads(first)) == 2
    form = client.post("/ask", data={"picture": [first]}).text
    token = re.search(r'name="token" value="([^"]+)"', form)[1]
    asked = values(form, r'name="picture" value="([^"]+)"')
    client.post("/send", data={"token": token, "what": "picture", "picture": asked})
    (queued,) = waiting(str(tmp_path / "queue"))
    named = {next(iter(request.values())) for request in queued.requests}
    assert {row[kind] for row in ROWS[:2] for kind in ("URL", "sha256", "pdq")} == named
    assert second


@pytest.mark.parametrize("field", ["[]", "[1]", '[["a"]]', '[{"sha256": 1}]', '"a"', "null"])
def test_fields_that_are_no_requests(client, tmp_path, field):
    form = client.post("/ask", data={"picture": "{}"}).text
    token = re.search(r'name="token" value="([^"]+)"', form)[1]
    sent = client.post("/send", data={"token": token, "what": "picture", "picture": field})
    assert sent.status_code == 400
    assert list(waiting(str(tmp_path / "queue"))) == []
