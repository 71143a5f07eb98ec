"""A screenshot of a picture finds the picture, and a request takes out the picture itself."""

from __future__ import annotations

import html
import io
import re

import pyarrow as pa
import pytest
from PIL import Image
from skimage import data
from starlette.testclient import TestClient

from pairsieve.erasure.match import Matcher
from pairsieve.erasure.queue import waiting
from pairsieve.erasure.requests import parse_request
from pairsieve.images.pdq import pdq
from tests.explore.conftest import indexed

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
PICTURE = Image.fromarray(data.astronaut()).convert("RGB").reduce(2)
OTHER = Image.fromarray(data.coffee()).convert("RGB").reduce(2)


def row(number: int, image: Image.Image) -> dict[str, str]:
    return {
        "URL": f"https://a.example/{number}.jpg",
        "TEXT": f"picture {number}",
        "sha256": f"{number:064x}",
        "pdq": pdq(image)[0].hex(),
    }


ROWS = [*(row(number, PICTURE) for number in range(99)), row(99, OTHER)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return indexed(tmp_path_factory.mktemp("screenshots") / "out", ROWS)


@pytest.fixture
def client(place, served):
    app = served(dataset=str(place), index=f"{place}.index")
    return TestClient(app, raise_server_exceptions=False)


def fields(page: str, name: str) -> list[str]:
    return [html.unescape(value) for value in re.findall(rf'name="{name}" value="([^"]*)"', page)]


def test_a_screenshot_is_found_and_its_picture_taken_out(client, tmp_path):
    screen = Image.new("RGB", (PICTURE.width, 600), "white")
    screen.paste(PICTURE, (0, 120))
    content = io.BytesIO()
    screen.save(content, "PNG")
    start = client.get("/").text
    page = client.post(
        "/picture",
        data={"token": fields(start, "token")[0]},
        files={"picture": ("a.png", content.getvalue(), "image/png")},
    ).text
    assert page.count("the same picture") == 1
    assert "Copies of this picture: 98" in page, "98 of 99 are shown with the first"
    asks = re.search(r'<form action="/ask[^>]*>(.*?)</form>', page, re.DOTALL)[1]
    assert "Take out this picture wherever it is" in asks
    form = client.post("/ask", data={"picture": fields(asks, "picture")}).text
    sent = client.post(
        "/send",
        data={
            "token": fields(form, "token")[0],
            "what": "picture",
            "picture": fields(form, "picture"),
        },
    )
    assert sent.status_code == 200, "three requests for each of 99 rows fit one receipt"
    (queued,) = waiting(str(tmp_path / "queue"))
    hits = Matcher([parse_request(line) for line in queued.lines]).find(pa.Table.from_pylist(ROWS))
    assert set(hits) == set(range(99))
