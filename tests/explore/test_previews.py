"""Previews that the page fetches in a visitor's place: where they are switched on, and of results."""

from __future__ import annotations

import html
import io
import re
from argparse import Namespace
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest
from itsdangerous import TimestampSigner
from PIL import Image
from skimage import data
from starlette.testclient import TestClient

from pairsieve.explore.previews import MAX_SIDE, Preview, make_preview
from pipeline.commands.explore import _previews
from pipeline.commands.explore import main as explore
from pipeline.dataset import audit_rows
from tests.support.fetching import client_settings
from tests.support.site import serve_site

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
PHOTOGRAPH = Image.fromarray(data.astronaut()).convert("RGB")
PREVIEW = Preview(b"blurred", b"clear")


@pytest.fixture
def asked() -> list[str]:
    return []


@pytest.fixture
def client(served, asked):
    def read(url):
        asked.append(url)
        return None if "long" in url else PREVIEW

    return TestClient(served(read_preview=read), raise_server_exceptions=False)


def sources(page: str) -> list[str]:
    return [html.unescape(source) for source in re.findall(r'<img src="([^"]+)"', page)]


def signed(url: str, salt: bytes = b"previews", secret: str = "s" * 32) -> str:
    return TimestampSigner(secret, salt=salt).sign(url).decode()


def test_off_by_default(served):
    client = TestClient(served(), raise_server_exceptions=False)
    page = client.get("/", params={"q": "cat", "pics": "1"})
    assert all(source.startswith("https://") for source in sources(page.text))
    answer = client.get("/preview", params={"of": signed("https://a.example/cat.jpg")})
    assert answer.status_code == 404


def test_blurred_until_asked_for_and_nothing_from_other_hosts(client, asked):
    without = client.get("/", params={"q": "cat"})
    assert sources(without.text) == []
    page = client.get("/", params={"q": "cat", "pics": "1"})
    assert "img-src 'self';" in page.headers["content-security-policy"]
    found = sources(page.text)
    assert len(found) == 4
    assert all(source.startswith("/preview?of=") for source in found)
    blurred, clear = found[:2]
    assert asked == [], "nothing is fetched before a browser asks"
    assert client.get(blurred).content == b"blurred"
    assert client.get(clear).content == b"clear"
    assert len(asked) == 1, "the site is asked once for both"
    assert client.get(blurred).headers["content-type"] == "image/jpeg"
    in_sight = re.sub(r"<details.*?</details>", "", page.text, flags=re.DOTALL)
    assert [source for source in sources(in_sight) if "clear=1" in source] == []
    assert "a face" in page.text


@pytest.mark.parametrize(
    "token",
    [
        "",
        "https://a.example/cat.jpg",
        signed("https://a.example/cat.jpg", salt=b"itsdangerous.Signer"),
        signed("https://a.example/cat.jpg", secret="t" * 32),
        signed("https://a.example/cat.jpg")[:-1],
        # Signed, and not in the index: it was taken out since.
        signed("https://gone.example/cat.jpg"),
        signed("http://169.254.169.254/latest/meta-data"),
        "x" * 5_000,
    ],
    # A signature holds the time: two processes that collect tests would have other names.
    ids=[
        "empty",
        "unsigned",
        "other_salt",
        "other_secret",
        "cut_off",
        "gone",
        "no_result",
        "long",
    ],
)
def test_pictures_of_results_alone(client, asked, token):
    assert client.get("/preview", params={"of": token}).status_code in (400, 404)
    assert asked == []


def test_old_tokens(client, asked, monkeypatch):
    monkeypatch.setattr("pairsieve.explore.previews.TOKEN_AGE_S", -1)
    token = signed("https://a.example/cat.jpg")
    assert client.get("/preview", params={"of": token}).status_code == 404
    assert asked == []


def test_other_sites_cannot_embed_them(client, asked):
    token = signed("https://a.example/cat.jpg")
    answer = client.get("/preview", params={"of": token}, headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403
    assert asked == []


def test_a_picture_that_cannot_be_had(client):
    token = signed("https://b.example/long.jpg")
    assert client.get("/preview", params={"of": token}).status_code == 404


def content_of(image: Image.Image, form: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content), formats=["JPEG"])


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF"])
def test_small_and_without_what_else_a_file_holds(form):
    exif = Image.Exif()
    exif[0x9286] = "anna"
    options = {"exif": exif, "icc_profile": b"anna"} if form in ("JPEG", "PNG", "WEBP") else {}
    if form in ("JPEG", "GIF"):
        options["comment"] = b"anna"
    preview = make_preview(content_of(PHOTOGRAPH, form, **options))
    for content in (preview.blurred, preview.clear):
        assert max(opened(content).size) == MAX_SIDE
        assert b"anna" not in content
        assert "exif" not in opened(content).info


def test_a_blurred_picture_keeps_nothing_fine():
    """The same large shapes with and without details in them: blurred, nobody tells them apart."""
    shapes = np.kron(np.array([[60, 120], [180, 90]]), np.ones((128, 128)))
    details = np.kron(np.indices((32, 32)).sum(axis=0) % 2 * 2 - 1, np.ones((8, 8))) * 50
    blurred, clear = [], []
    for pixels in (shapes, shapes + details):
        preview = make_preview(content_of(Image.fromarray(pixels.astype(np.uint8)), "PNG"))
        blurred.append(np.asarray(opened(preview.blurred), np.int64))
        clear.append(np.asarray(opened(preview.clear), np.int64))
    assert np.abs(clear[0] - clear[1]).mean() > 40
    assert np.abs(blurred[0] - blurred[1]).max() <= 5


@pytest.mark.parametrize("content", [b"", b"no picture", b"\xff\xd8\xff\xe0" + b"x" * 500])
def test_what_is_no_picture(content):
    assert make_preview(content) is None


def manifest_with(settings) -> SimpleNamespace:
    return SimpleNamespace(config={"fetch": asdict(settings)}, name="")


def test_the_command_asks_no_private_address():
    options = Namespace(previews=True)
    with serve_site() as site:
        site.contents["/1.png"] = content_of(PHOTOGRAPH, "PNG")
        with _previews(options, manifest_with(client_settings(site))) as read:
            assert read(f"{site.origin}/1.png") is None
            assert read("http://169.254.169.254/latest/meta-data") is None
            assert read("file:///etc/passwd") is None
        assert site.asked == {}


def test_the_command_fetches_politely_within_limits(monkeypatch):
    with serve_site() as site:
        # As the run of a test may: the address of loopback is allowed.
        monkeypatch.setattr(audit_rows, "client_settings", lambda _: client_settings(site))
        monkeypatch.setattr("pipeline.commands.explore.MAX_PREVIEW_BYTES", 1_000_000)
        site.contents["/1.png"] = content_of(PHOTOGRAPH, "PNG")
        site.contents["/large.png"] = b"x" * 1_000_001
        site.contents["/bad.png"] = b"no picture"
        with _previews(Namespace(previews=True), manifest_with(client_settings(site))) as read:
            assert opened(read(f"{site.origin}/1.png").clear).size == (MAX_SIDE, MAX_SIDE)
            assert read(f"{site.origin}/large.png") is None
            assert read(f"{site.origin}/bad.png") is None
        assert site.asked["/robots.txt"] == 1
    with serve_site() as site:
        monkeypatch.setattr(audit_rows, "client_settings", lambda _: client_settings(site))
        site.robots = (200, "User-agent: *\nDisallow: /\n")
        with _previews(Namespace(previews=True), manifest_with(client_settings(site))) as read:
            assert read(f"{site.origin}/1.png") is None
        assert site.asked_beside_files == {}


def test_a_run_without_a_contact_has_no_previews(dataset, tmp_path, capsys):
    command = ["--dataset", str(dataset), "--queue", str(tmp_path / "asked"), "--previews"]
    assert explore(command) == 2
    assert "fetch.contact" in capsys.readouterr().err
