"""A visitor finds a picture, asks for it to be taken out, and no longer finds it: in Debian's
Chromium.
"""

from __future__ import annotations

import io
import shutil
import socket
import threading
import time
from contextlib import contextmanager
from functools import partial

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import sync_playwright

from pairsieve.erasure.queue import ask, look_up
from pairsieve.explore.app import make_app
from pairsieve.explore.limits import RateLimits
from pairsieve.explore.previews import make_preview
from pairsieve.explore.settings import Publisher, Settings
from pipeline.cli import main as pairsieve
from pipeline.dataset.found_rows import count_rows
from tests.explore.conftest import indexed
from tests.support.datasets import picture_of, rows_of

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.timeout(300)]
KEY = "k" * 64
IS_LOADED = "image => image.complete && image.naturalWidth > 0"
CHROMIUM = shutil.which("chromium")
SIZES = {"phone": {"width": 390, "height": 844}, "wide": {"width": 1280, "height": 900}}


def call(*arguments) -> int:
    with pytest.raises(SystemExit) as ended:
        pairsieve([str(a) for a in arguments])
    return ended.value.code


@pytest.fixture
def dataset(demo_run, tmp_path):
    shutil.copytree(demo_run.output, tmp_path / "out")
    assert call("index", "--dataset", tmp_path / "out") == 0
    return tmp_path / "out"


@pytest.fixture
def address(dataset, processes):
    with serving(dataset, processes) as found:
        yield found


@contextmanager
def serving(dataset, processes, read_preview=None):
    """The page of a dataset, on a port of this machine."""
    limits = RateLimits(*["100000/minute"] * 4)
    app = make_app(
        Settings(
            "pairsieve demo",
            str(dataset),
            f"{dataset}.index",
            f"{dataset}.requests",
            "s" * 32,
            limits,
        ),
        {},
        processes,
        Publisher(KEY, partial(count_rows, str(dataset)), 1_000),
        read_preview,
    )
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", access_log=False)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 120
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(20)


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("there is no chromium; .ci/run installs it")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(params=SIZES)
def page(browser, request):
    found = browser.new_page(
        viewport=SIZES[request.param], color_scheme="dark" if request.param == "phone" else "light"
    )
    found.set_default_timeout(20_000)
    asked, errors = [], []
    found.on("request", lambda one: asked.append(one.url))
    found.on("console", lambda one: errors.append(one.text) if one.type == "error" else None)
    yield found
    assert not [url for url in asked if not url.startswith("http://127.0.0.1")], (
        "nothing is asked of other hosts"
    )
    assert errors == [], "the browser refuses nothing of the page"
    found.close()


def violations(page) -> list[str]:
    # The policy forbids scripts of others, so axe is put into the page by the browser itself.
    return [
        f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in Axe().run(page).response["violations"]
    ]


def test_found_taken_out_and_gone(page, address, dataset, tmp_path):
    rows = rows_of(dataset)
    row = next(row for row in rows if row["TEXT"].startswith("purple star"))
    page.goto(address)
    page.get_by_label("Words of a caption or an address").fill("purple star")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="found").wait_for()
    assert row["TEXT"] in page.inner_text("main")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (
        "nothing is cut off on a phone"
    )

    page.goto(f"{address}/?q={row['URL']}")
    page.get_by_role("button", name="Take this out").first.click()
    assert violations(page) == []
    page.get_by_role("button", name="Send the request").click()
    receipt = page.inner_text("#number")
    assert violations(page) == []
    page.get_by_label("Ask what became of a request").fill(receipt)
    page.get_by_label("Ask what became of a request").press("Enter")
    assert "waits to be looked at" in page.inner_text("main")

    assert call("requests", "approve", receipt, "--apply", "--dataset", dataset) == 0
    page.reload()
    assert "applied in version 2" in page.inner_text("main")
    page.goto(f"{address}/?q={row['URL']}")
    assert "0 found" in page.inner_text("main")
    assert row["URL"] not in {r["URL"] for r in rows_of(dataset)}


def test_an_example_picture(page, address, dataset, tmp_path):
    row = next(row for row in rows_of(dataset) if row["LANGUAGE"] == "en")
    path = picture_of(row, tmp_path)
    page.goto(address)
    page.set_input_files("#picture", path)
    page.locator("#drop button").click()
    page.get_by_role("button", name="Take out this picture wherever it is").wait_for()
    assert "the same file" in page.inner_text("main")
    assert violations(page) == []
    page.get_by_role("button", name="Take out this picture wherever it is").click()
    page.get_by_role("button", name="Send the request").click()
    receipt = page.inner_text("#number")
    assert call("requests", "approve", receipt, "--apply", "--dataset", dataset) == 0
    assert row["sha256"] not in {r["sha256"] for r in rows_of(dataset)}


def test_the_keyboard_alone(page, address):
    page.goto(address)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(30):
        if page.evaluate("document.activeElement.id") == "q":
            break
        page.keyboard.press("Tab")
    page.keyboard.type("star")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="7 found").wait_for()


def test_the_slash_key_and_a_choice(page, address):
    page.goto(f"{address}/?q=star")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    assert page.input_value("#q") == "star", "the key itself is not typed"
    boxes = page.get_by_role("checkbox", name="Choose")
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.get_by_role("button", name="Take out what I chose").click()
    assert "(2)" in page.inner_text("main")
    assert violations(page) == []


def test_the_publisher_decides(page, address, dataset):
    rows = rows_of(dataset)
    queue = f"{dataset}.requests"
    approved = ask(queue, [{"image_url": rows[0]["URL"]}], "anna@mail.example")
    pages = [f"https://b.example/{'long' * 60}/{number}" for number in range(30)]
    refused = ask(queue, [{"page_url": url} for url in pages])
    page.goto(f"{address}/admin")
    assert violations(page) == []
    page.get_by_label("The key of this page").fill(KEY)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="2 to decide on, 0 approved").wait_for()
    assert "Answer to: anna@mail.example" in page.inner_text("main")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (
        "nothing is cut off on a phone"
    )
    page.get_by_role("button", name=f"Approve {approved}").click()
    page.get_by_role("heading", name="1 to decide on, 1 approved").wait_for()
    card = page.locator(f"#r-{refused}")
    card.get_by_label("Why it is refused").fill("not in this dataset")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="0 to decide on, 1 approved").wait_for()
    assert violations(page) == []
    assert (look_up(queue, approved).state, look_up(queue, refused).state) == (
        "approved",
        "refused",
    )
    assert call("requests", "apply", "--dataset", dataset) == 0
    assert rows[0]["URL"] not in {row["URL"] for row in rows_of(dataset)}


def test_copies_are_one_card(page, processes, tmp_path):
    rows = [
        {"URL": f"https://{host}.example/1.jpg", "TEXT": f"a star on {host}", "sha256": "a" * 64}
        for host in ("one", "two", "long" * 15)
    ]
    other = {"URL": "https://other.example/2.jpg", "TEXT": "another star", "sha256": "b" * 64}
    dataset = indexed(tmp_path / "out", [*rows, other])
    with serving(dataset, processes) as address:
        page.goto(f"{address}/?q=star")
        page.get_by_role("heading", name="4 found").wait_for()
        assert page.locator("li.card").count() == 2
        copies = page.locator(".copies")
        assert not copies.locator("li").first.is_visible()
        copies.locator("summary").focus()
        page.keyboard.press("Enter")
        assert copies.locator("li").count() == 2
        assert copies.locator("li").first.is_visible()
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def width_when_loaded(page, image) -> int:
    """The width of a picture that the browser loads when it comes into view.

    A picture that is never loaded ends the test with Playwright's timeout, where
    `HTMLImageElement.decode` would wait for ever.
    """
    element = image.element_handle()
    page.wait_for_function(IS_LOADED, arg=element)
    return element.evaluate("image => image.naturalWidth")


def test_previews_are_blurred_until_asked_for(page, processes, tmp_path):
    """Drawings, of which the fixture of the page says that nothing comes from another host."""
    asked, loaded = [], []
    page.on("request", lambda one: loaded.append(one.url))
    drawing = io.BytesIO()
    Image.radial_gradient("L").resize((640, 480)).save(drawing, "PNG")

    def read(url):
        asked.append(url)
        return make_preview(drawing.getvalue())

    row = {"TEXT": "a star", "URL": "https://one.example/1.jpg", "sha256": "a" * 64}
    face = {**row, "URL": "https://two.example/2.jpg", "sha256": "b" * 64, "face_count": 1}
    dataset = indexed(tmp_path / "out", [{**row, "face_count": 0}, face])
    with serving(dataset, processes, read) as address:
        page.goto(f"{address}/?q=star")
        page.get_by_role("link", name="Load small pictures").click()
        pictures = page.locator("li.card img")
        for place in (0, 2):
            pictures.nth(place).scroll_into_view_if_needed()
            assert width_when_loaded(page, pictures.nth(place)) == 256
        assert [url for url in loaded if "clear=1" in url] == [], "what is closed is not loaded"
        page.get_by_text("Show clearly").focus()
        page.keyboard.press("Enter")
        clear = page.locator("details", has_text="Show clearly").locator("img")
        assert width_when_loaded(page, clear) == 256
        assert [url for url in loaded if "clear=1" in url] != []
        assert len(asked) == 2
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("language", ["de", "es", "fr", "pt"])
def test_other_languages(browser, address, language):
    page = browser.new_page(locale=language)
    page.goto(address)
    assert page.evaluate("document.documentElement.lang") == language
    assert violations(page) == []
    page.close()
