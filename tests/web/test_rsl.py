"""RSL 1.0 (rslstandard.org/rsl): what a licence file says of training for nothing, by anybody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.web.rsl import UnreadableLicence, read_licence

SITE, URL = "https://a.example", "https://a.example/img/cat.jpg"
RSL = '<?xml version="1.0"?><rsl xmlns="https://rslstandard.org/rsl">%s</rsl>'


def content(inner: str, url: str = "/", attributes: str = "") -> str:
    return f'<content url="{url}" {attributes}>{inner}</content>'


def licence(inner: str, url: str = "/", attributes: str = "") -> str:
    return content(f"<license>{inner}</license>", url, attributes)


def permits(words: str, kind: str = "usage") -> str:
    return f'<permits type="{kind}">{words}</permits>'


def prohibits(words: str, kind: str = "usage") -> str:
    return f'<prohibits type="{kind}">{words}</prohibits>'


CASES = [
    # 3.5: what is not restricted is permitted; 3.7: without a payment it is free
    (licence(""), False),
    (licence(permits("all")), False),
    (licence(permits("ai-all search")), False),
    (licence(permits("ai-train")), False),
    (licence(permits("train-ai")), False),  # July 2025
    (licence(permits("search,ai-train")), False),  # commas, as in 0.9
    (licence(permits("search")), True),  # a list is closed
    (licence(permits("ai-input ai-index")), True),
    (licence(permits("x:training")), True),
    (licence(permits("")), True),
    (licence(prohibits("ai-train")), True),
    (licence(prohibits("AI-All")), True),
    (licence(prohibits("all")), True),
    (licence(prohibits("search")), False),
    # 3.6: a prohibition counts before a permission
    (licence(permits("all") + prohibits("ai-train")), True),
    (
        licence(
            permits("all") + '<payment type="purchase"><amount currency="USD">1</amount></payment>'
        ),
        True,
    ),
    (licence(permits("all") + '<payment type="training"/>'), True),
    (licence(permits("all") + '<payment type="free"/>'), False),
    (licence(permits("all") + '<payment type="attribution"/>'), False),
    (licence(permits("all") + permits("non-commercial", "user")), True),
    (licence(permits("all") + permits("EU", "geo")), True),
    (licence(permits("all") + "<reporting>https://a.example/</reporting>"), True),
    # 3.3: a token even where it is free
    (licence(permits("all"), attributes='server="https://l.example"'), True),
    (licence(permits("all"), attributes='encrypted="true"'), True),
    (content(""), True),  # no licence is no permission
    (content(f"<license>{permits('search')}</license><license>{permits('all')}</license>"), False),
    (
        content(
            f'<license>{permits("ai-train")}<payment type="use"/></license><license>{permits("search")}</license>'
        ),
        True,
    ),
    (licence(prohibits("ai-train"), "/articles/"), False),
    (licence(prohibits("ai-train"), "/*.jpg$"), True),
    (licence(prohibits("ai-train"), "https://a.example/img/*"), True),
    (licence(prohibits("ai-train"), "https://b.example/*"), False),
    (licence(prohibits("ai-train"), "http://A.example:80/img/*"), True),  # the same picture by http
    (licence(permits("all"), "/") + licence(prohibits("ai-train"), "/img/"), True),
    (licence(prohibits("all"), "/") + licence(permits("ai-train"), "/img/"), False),
    (licence(prohibits("ai-train"), ""), True),
    # 3.1.1: in doubt conservatively. Other spellings of the host, and what is no part of a request
    (licence(prohibits("ai-train"), "https://www.a.example/*"), True),
    (licence(prohibits("ai-train"), "https://a.example./"), True),
    (licence(prohibits("ai-train"), "https://*.example/*"), True),
    (licence(prohibits("ai-train"), "https://*.b.example/*"), False),
    (licence(prohibits("ai-train"), "//a.example/img/*"), True),
    (licence(prohibits("ai-train"), "//b.example/img/*"), False),
    (licence(prohibits("ai-train"), "*://a.example/*"), True),
    (licence(prohibits("ai-train"), "*://b.example/*"), False),
    (licence(prohibits("ai-train"), "https://a.example/#licence"), True),
    (licence(prohibits("ai-train"), "/#licence"), True),
    (licence(prohibits("ai-train"), "https://wwwa.example/*"), False),
]


@pytest.mark.parametrize(("inner", "refused"), CASES)
def test_training(inner, refused):
    assert read_licence(RSL % inner, f"{SITE}/licence.xml").refuses(URL, SITE) == refused


def test_a_picture_on_pages_of_several_sites():
    """A path in a licence is one of the site that names the file, or of the file's own host."""
    found = read_licence(RSL % licence(prohibits("ai-train")), f"{SITE}/licence.xml")
    assert found.refuses(URL, "https://other.example")
    assert found.refuses("https://other.example/1.jpg", "https://other.example")
    assert not found.refuses("https://third.example/1.jpg", "https://other.example")


def test_a_feed_holds_licences_too():
    feed = '<rss xmlns:rsl="https://rslstandard.org/rsl"><channel><item><rsl:content url="/img/"><rsl:license><rsl:prohibits type="usage">all</rsl:prohibits></rsl:license></rsl:content></item></channel></rss>'
    assert read_licence(feed, f"{SITE}/feed").refuses(URL, SITE)


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;">]><rsl>&c;</rsl>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY x SYSTEM "http://127.0.0.1:1/">]><rsl xmlns="https://rslstandard.org/rsl"><content url="/">&x;</content></rsl>'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>",
        "not found",
        RSL % "",
        "<rsl/>",
        BOMB,
        OUTSIDE,
        "<a>" * 100_000,
        "\0",
        '<?xml version="1.0" encoding="x"?><rsl/>',
    ],
)
def test_what_is_no_licence(text):
    with pytest.raises(UnreadableLicence):
        read_licence(text, f"{SITE}/licence.xml")


@given(st.text(alphabet="<>rslcontelicnspermits ='\"/&;", max_size=200) | st.text(max_size=50))
def test_any_text_is_read_or_unreadable(text):
    for given_text in (text, RSL % text):
        try:
            read_licence(given_text, SITE)
        except UnreadableLicence:
            continue
