"""Whatever is read from the web is read to its end: bodies come a byte a segment, in chunks or not,
and break off.
"""

from __future__ import annotations

import pytest

from pairsieve.records.pair import Pair, key_of
from tests.support.fetching import fetch
from tests.support.site import PIECES

EVERYTHING = {"tdmrep": True, "ai_txt": True, "trust_txt": True, "rsl": True}
PATIENT = {"total_timeout_s": 20, "read_timeout_s": 20}
RSL = '<rsl xmlns="https://rslstandard.org/rsl"><content url="/"><license><prohibits type="usage">ai-train</prohibits></license></content></rsl>'
# path -> (a no that stands at the end of the file, the status with which it ends the matter)
FILES = {
    "/robots.txt": ("# " + "x" * 300 + "\nUser-agent: *\nDisallow: /", "robots_disallowed"),
    "/.well-known/tdmrep.json": (
        " " * 300 + '[{"location": "/", "tdm-reservation": 1}]',
        "tdmrep_reserved",
    ),
    "/ai.txt": ("# " + "x" * 300 + "\nUser-Agent: *\nDisallow: *.jpg", "ai_txt_disallowed"),
    "/trust.txt": ("# " + "x" * 300 + "\ndatatrainingallowed=no", "trust_txt_reserved"),
    "/.well-known/trust.txt": ("# " + "x" * 300 + "\ndatatrainingallowed=no", "trust_txt_reserved"),
    "/licence.xml": (RSL, "rsl_reserved"),
}


@pytest.mark.parametrize("pieces", PIECES)
@pytest.mark.parametrize("path", [path for path in FILES if path != "/licence.xml"])
def test_a_no_at_the_end_of_a_file_is_heard(site, path, pieces):
    text, status = FILES[path]
    site.contents[path] = text.encode()
    site.pieces = pieces
    (image,), _ = fetch(site, [pair(f"{site.origin}/picture.jpg")], **EVERYTHING, **PATIENT)
    unreachable = "robots_unreachable" if path == "/robots.txt" else "reservation_unreachable"
    assert image.status == (unreachable if pieces == "cut off" else status)
    assert "/picture.jpg" not in site.asked


@pytest.mark.parametrize("pieces", PIECES)
@pytest.mark.parametrize("named_by", ["robots.txt", "page", "answer"])
def test_a_licence_file_is_heard(site, named_by, pieces):
    address = f"{site.origin}/licence.xml"
    site.contents["/licence.xml"] = RSL.encode()
    site.contents["/picture.jpg"] = b"picture bytes"
    files = ()
    if named_by == "robots.txt":
        site.robots = (200, f"License: {address}")
    elif named_by == "page":
        files = (address,)
    else:
        site.headers["/picture.jpg"] = {
            "Link": f'<{address}>; rel="license"; type="application/rsl+xml"'
        }
    site.pieces = pieces
    (image,), stored = fetch(
        site, [pair(f"{site.origin}/picture.jpg", files)], **EVERYTHING, **PATIENT
    )
    if pieces == "cut off":
        assert image.status in ("robots_unreachable", "reservation_unreachable", "connection_error")
    else:
        assert image.status == "rsl_reserved"
    assert ("/picture.jpg" in site.asked) == (
        named_by == "answer" and pieces != "cut off"
    ) or pieces == "cut off"
    assert not stored


@pytest.mark.parametrize("pieces", PIECES)
def test_a_picture_is_read_to_its_end(site, pieces):
    site.contents["/picture.jpg"] = bytes(range(256))
    site.pieces = pieces
    (image,), stored = fetch(site, [pair(f"{site.origin}/picture.jpg")], **PATIENT)
    assert image.status == ("connection_error" if pieces == "cut off" else "ok")
    assert [len(content) for content in stored.values()] == ([] if pieces == "cut off" else [256])


def test_a_file_of_a_site_that_is_too_long_is_a_no(site):
    site.contents["/ai.txt"] = b"# \n" * 300_000
    (image,), _ = fetch(site, [pair(f"{site.origin}/picture.jpg")], **EVERYTHING)
    assert image.status == "reservation_unreachable"


def test_files_that_robots_txt_forbids_are_not_asked_for(site):
    site.robots = (200, "User-agent: *\nAllow: /picture\nDisallow: /")
    (image,), _ = fetch(site, [pair(f"{site.origin}/picture.jpg")], **EVERYTHING)
    assert image.status == "ok"
    assert set(site.asked) == {"/robots.txt", "/picture.jpg"}


def pair(url: str, files: tuple[str, ...] = ()) -> Pair:
    evidence = {"page_rights_signals": (), "page_licence_files": files}
    page = url.rpartition("/")[0] + "/page.html"
    return Pair(
        key_of(url, "a red star"), url, "a red star", "en", "en", page, "", 0, "", "", 0, evidence
    )


def test_a_permissive_site_is_asked(site):
    """The other way round: files that say yes keep nothing out."""
    site.robots = (
        200,
        (
            "User-agent: *\nAllow: /\nContent-Signal: ai-train=yes\nLicense: "
            f"{site.origin}/licence.xml"
        ),
    )
    site.contents |= {
        "/.well-known/tdmrep.json": b'[{"location": "/", "tdm-reservation": 0}]',
        "/ai.txt": b"User-Agent: *\nAllow: *.jpg\nDisallow: *.txt",
        "/trust.txt": b"datatrainingallowed=yes",
        "/licence.xml": RSL.replace("prohibits", "permits").encode(),
    }
    (image,), _ = fetch(site, [pair(f"{site.origin}/picture.jpg")], **EVERYTHING)
    assert image.status == "ok"
