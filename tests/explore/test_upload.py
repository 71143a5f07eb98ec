"""Pictures of visitors: read in processes that may be killed, in a line of their own."""

from __future__ import annotations

import asyncio
import io
import time
from threading import Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pairsieve.explore import upload
from pairsieve.explore.refused import Refused
from pairsieve.explore.upload import BadUpload, Upload, read_upload, upload_of
from pairsieve.images.processes import Limits, Processes
from tests.support.asgi import Client

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
KIND = "multipart/form-data; boundary=b"


def form(**parts: bytes) -> bytes:
    made = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (name.encode(), value)
        for name, value in parts.items()
    )
    return made + b"--b--\r\n"


def png(side=64) -> bytes:
    content = io.BytesIO()
    Image.effect_noise((side, side), 80).save(content, "PNG")
    return content.getvalue()


def flat_png(mode, size) -> bytes:
    content = io.BytesIO()
    Image.new(mode, size).save(content, "PNG")
    return content.getvalue()


def sleeps(*_):
    time.sleep(3600)


def raises(*_):
    raise AssertionError("a decoder's own")


def test_a_form():
    found = read_upload(form(token=b"t", picture=png()), KIND, ())
    assert isinstance(found, Upload)
    assert (found.token, len(found.example.sha256), len(found.example.pdq)) == ("t", 64, 8)


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (form(token=b"t"), KIND, ("no_picture", ("empty",))),
        (form(picture=b"no picture"), KIND, ("no_picture", ("undecodable",))),
        (form(picture=flat_png("1", (8_000, 8_000))), KIND, ("no_picture", ("too_many_pixels",))),
        (form(picture=b"x" * 20_000_001), KIND, ("too_large", ())),
        (form(**{f"p{n}": b"" for n in range(30)}), KIND, ("malformed", ())),
        (b"--b\r\nno header", KIND, ("malformed", ())),
        (form(picture=png()), "multipart/form-data", ("malformed", ())),
    ],
)
def test_what_is_no_upload(body, kind, said):
    found = read_upload(body, kind, ())
    assert isinstance(found, BadUpload)
    assert (found.text, found.values) == said


@settings(max_examples=200, deadline=None)
@given(
    body=st.binary(max_size=300),
    cut=st.integers(0, 200),
    kind=st.sampled_from([KIND, "multipart/form-data", "multipart/x; boundary="]),
)
def test_any_body_is_read(body, cut, kind):
    assert isinstance(read_upload(body, kind, ()), BadUpload)
    assert isinstance(
        read_upload(form(token=body, picture=png())[:-cut], kind, ()), BadUpload | Upload
    )


def test_a_picture_that_takes_too_long_ends_its_process_alone(monkeypatch):
    processes = Processes(1, Limits(wall_s=2.0))
    try:
        with monkeypatch.context() as patched:
            patched.setattr(upload, "read_upload", sleeps)
            with pytest.raises(Refused) as refused:
                upload_of(processes, b"", KIND, ())
        assert refused.value.values == ("decoder_crashed",)
        with monkeypatch.context() as patched:
            patched.setattr(upload, "read_upload", raises)
            with pytest.raises(Refused, match="no_picture"):
                upload_of(processes, b"", KIND, ())
        with pytest.raises(Refused) as refused:
            upload_of(processes, form(), KIND, ())
        assert refused.value.values == ("empty",), "another process has taken its place"
    finally:
        processes.close()


def test_pictures_have_a_line_of_their_own(served, monkeypatch):
    go, app = Event(), served()
    monkeypatch.setattr("pairsieve.explore.page.upload_of", lambda *_: go.wait(60) and _refuse())
    kind = ("content-type", KIND)

    async def ask():
        async def picture(number):
            client = Client(app)
            headers = [
                ("host", "localhost"),
                kind,
                ("content-length", "1"),
                ("expect", "100-continue"),
            ]
            await client._ask("POST", "/picture", headers, [b"x"], b"", f"192.0.2.{number}")
            return client

        # one at work, four in the line
        waiting = [asyncio.ensure_future(picture(number)) for number in range(5)]
        while app.queues[1]._inside_of.total() < 5:
            await asyncio.sleep(0.01)
        refused = await picture(9)
        assert (refused.status, int(refused.headers["retry-after"]) > 0) == (503, True)
        searches = []
        for number in range(20):
            client = Client(app)
            await client._ask(
                "GET", "/", [("host", "localhost")], None, b"q=cat", f"198.51.100.{number}"
            )
            searches.append(client.status)
        go.set()
        assert [client.status for client in await asyncio.gather(*waiting)] == [400] * 5
        return searches

    assert asyncio.run(ask()) == [200] * 20


def _refuse():
    raise Refused(400, "malformed")
