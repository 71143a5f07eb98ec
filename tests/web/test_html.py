from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.records.page import Origin, Page
from pairsieve.web.html import PageTooCostly, meta_values, parse_page
from pairsieve.web.xhtml import as_html

ORIGIN = Origin("x.warc.gz", 0, "", "")


def page(body: str | bytes, url: str = "https://a.example/d/p.html") -> Page:
    payload = body if isinstance(body, bytes) else body.encode()
    return Page(url, (("Content-Type", "text/html"),), payload, ORIGIN)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('<img src="b.jpg" alt="words">', [("https://a.example/d/b.jpg", "words")]),
        ('<IMG ALT="words" SRC="/b.jpg"/>', [("https://a.example/b.jpg", "words")]),
        (
            "<img src=b.jpg alt=one><img src=c.jpg alt=two>",
            [("https://a.example/d/b.jpg", "one"), ("https://a.example/d/c.jpg", "two")],
        ),
        ('<base href="/e/"><img src=b.jpg alt=words>', [("https://a.example/e/b.jpg", "words")]),
        (
            '<base href="https://cdn.example/"><img src=b.jpg alt=words>',
            [("https://cdn.example/b.jpg", "words")],
        ),
        (
            '<base href="http://[broken"><img src=b.jpg alt=words>',
            [("https://a.example/d/b.jpg", "words")],
        ),
        (
            '<base href="javascript:void(0)"><img src=b.jpg alt=words>',
            [("https://a.example/d/b.jpg", "words")],
        ),
        (
            '<base href="DATA:text/html,x"><base href="/e/"><img src=b.jpg alt=words>',
            [("https://a.example/d/b.jpg", "words")],
        ),
        (
            '<base target=_top><base href="/e/"><img src=b.jpg alt=words>',
            [("https://a.example/e/b.jpg", "words")],
        ),
        (
            '<base href=""><base href="/e/"><img src=b.jpg alt=w>',
            [("https://a.example/d/b.jpg", "w")],
        ),
        # HTML standard, 4.2.3: an element of SVG or MathML is no base element
        (
            '<svg><g><base href="/e/"></g></svg><img src=b.jpg alt=w>',
            [("https://a.example/d/b.jpg", "w")],
        ),
        (
            '<math><base href="/e/"></math><base href="/f/"><img src=b.jpg alt=w>',
            [("https://a.example/f/b.jpg", "w")],
        ),
        (
            '<svg><foreignObject><base href="/e/"></foreignObject></svg><img src=b.jpg alt=w>',
            [("https://a.example/e/b.jpg", "w")],
        ),
        # URL Standard: only controls and blanks of ASCII are taken off
        ('<img src="\u3000b.jpg " alt=w>', [("https://a.example/d/%E3%80%80b.jpg", "w")]),
        ("<img src=b.jpg>", []),
        ("<img alt=words>", []),
        ('<img src="" alt="words">', [(None, "words")]),
        ('<img src="b.jpg" alt>', [("https://a.example/d/b.jpg", "")]),
        ("<!-- <img src=b.jpg alt=words> -->", []),
        ("<script>'<img src=b.jpg alt=words>'</script>", []),
        ("<p><img src=b.jpg alt='a &amp; b &#233;'", []),
        ("<p><img src=b.jpg alt='a &amp; b &#233;'>", [("https://a.example/d/b.jpg", "a & b é")]),
        ("<table><img src=b.jpg alt=words>", [("https://a.example/d/b.jpg", "words")]),
    ],
)
def test_image_elements(body, expected):
    assert [
        (element.url, element.alt) for element in parse_page(page(body), "plain").images
    ] == expected


def test_images_that_say_the_same_are_one_and_counted():
    found = parse_page(
        page(
            "<img src=a alt=x><img src=b alt=x><img src=a alt=x><img src=' a' alt=x><img src=a "
            "alt=y>"
        ),
        "plain",
    ).images
    expected = [(0, "a", "x", 2), (1, "b", "x", 1), (3, "a", "x", 1), (4, "a", "y", 1)]
    assert [(image.position, image.url[-1], image.alt, image.times) for image in found] == expected


def test_positions_count_from_zero():
    found = parse_page(page("<img src=a alt=x><img src=b><img src=c alt=y>"), "plain").images
    assert [element.position for element in found] == [0, 1]


def test_meta_values():
    parsed = parse_page(
        page('<meta name="Robots" content=" NoAI "><meta http-equiv=X content=Y><meta name=robots>')
    )
    assert list(meta_values(parsed)) == [("robots", "noai"), ("x", "y")]


PIECES = st.sampled_from(
    [b"<img src=", b'"', b" alt=", b"'", b">", b"a.png", b"\xc3", b"\xa9", b"\xe2\x82", b"\xac", b"\xff", b"&eacute", b"</p>", b"\xf0\x9f", b"\xed\xa0\x80", b"\0", b"<base href="]
)  # fmt: skip


@given(st.lists(PIECES, max_size=25).map(b"".join))
def test_what_is_declared_utf_8_and_is_not_reads_as_if_decoded_with_replacement(payload):
    declared = (("Content-Type", "text/html; charset=utf-8"),)
    raw, mended = (
        Page("https://a.example/", declared, b"<p>" + p, ORIGIN)
        for p in (payload, payload.decode("utf-8", "replace").encode())
    )
    found, expected = (
        [(i.url, i.alt) for i in parse_page(given, "plain").images] for given in (raw, mended)
    )
    assert found == expected


@given(st.binary(max_size=500))
def test_any_bytes(payload):
    for element in parse_page(page(payload), "best").images:
        assert isinstance(element.alt, str)


@given(
    st.lists(
        st.sampled_from(
            [
                "<img ",
                "src=",
                "alt=",
                '"',
                "'",
                ">",
                "<base href=",
                "//",
                "http://[",
                "\0",
                "<svg>",
                "<picture>",
                "<source srcset=",
                "data-src=",
                "srcset=",
                "<noscript>",
                "2x,",
                "</",
                "&#x0;",
                "é",
                " ",
            ]
        ),
        max_size=40,
    )
)
def test_any_tags(pieces):
    list(parse_page(page("".join(pieces)), "best").images)


BEST = [
    # HTML standard, 4.8.4.3.6: a source whose media does not match is not taken
    (
        '<picture><source srcset="dark.png" media="(prefers-color-scheme: dark)"><source srcset="light.png" media="(prefers-color-scheme: light)"><img src=b.png alt=words></picture>',
        [("light.png", "picture")],
    ),
    (
        '<picture><source srcset="p.jpg 900w" media="print"><img src=b.jpg alt=words></picture>',
        [("b.jpg", "src")],
    ),
    (
        '<picture><source srcset="n.jpg" media="not all"><img src=b.jpg alt=words></picture>',
        [("b.jpg", "src")],
    ),
    (
        '<picture><source srcset="s.jpg" media="(max-width: 600px)"><source srcset="m.jpg" media="(max-width: 1200px)"><img src=b.jpg alt=words></picture>',
        [("b.jpg", "src")],
    ),
    (
        '<picture><source srcset="s.jpg" media="(max-width: 600px), screen"><img src=b.jpg alt=words></picture>',
        [("s.jpg", "picture")],
    ),
    (
        '<picture><source srcset="m.jpg" media="(min-width: 600px) and (max-width: 2000px)"><img src=b.jpg alt=words></picture>',
        [("m.jpg", "picture")],
    ),
    (
        '<picture><source srcset="m.jpg" media="(max-width: 2000px)\n and (min-width: 600px)"><img src=b.jpg alt=words></picture>',
        [("m.jpg", "picture")],
    ),
    (
        '<picture><source srcset="s.jpg" media="\n(max-width: 600px)"><img src=b.jpg alt=words></picture>',
        [("b.jpg", "src")],
    ),
    (
        '<picture><source data-srcset="s.jpg" media="(max-width: 600px)"><img data-src=b.jpg alt=words></picture>',
        [("b.jpg", "lazy")],
    ),
    (
        '<picture><source srcset="s.jpg" media="(max-width: 600px)"><img alt=words></picture>',
        [("s.jpg", "picture")],
    ),
    # ranges of widths (Media Queries 4, 2.4.3)
    (
        '<picture><source srcset="s.jpg" media="(width <= 600px)"><img src=b.jpg alt=words></picture>',
        [("b.jpg", "src")],
    ),
    (
        '<picture><source srcset="s.jpg" media="(600px >= width)"><img src=b.jpg alt=words></picture>',
        [("b.jpg", "src")],
    ),
    (
        '<picture><source srcset="s.jpg" media="(width < 37.5em)"><img src=b.jpg alt=words></picture>',
        [("b.jpg", "src")],
    ),
    (
        '<picture><source srcset="s.jpg" media="(width >= 600px)"><img src=b.jpg alt=words></picture>',
        [("s.jpg", "picture")],
    ),
    (
        '<picture><source srcset="s.jpg" media="(400px <= width <= 700px)"><img src=b.jpg alt=words></picture>',
        [("s.jpg", "picture")],
    ),
    (
        '<picture><source srcset="s.jpg" media="(max-device-width: 480px)"><img src=b.jpg alt=words></picture>',
        [("b.jpg", "src")],
    ),
    # a suffix says what a type would
    (
        '<picture><source srcset="l.avif 900w"><source srcset="l.webp"><img src=b.jpg alt=words></picture>',
        [("l.webp", "picture")],
    ),
    ('<img src="b.png" srcset="b.svg 2x" alt=words>', [("b.png", "src")]),
    ('<img srcset="b.avif 2x" alt=words>', [("b.avif", "srcset")]),
    ('<img src="//:0" data-q="b.jpg" alt=words>', [("b.jpg", "lazy")]),
    ('<img src="\xa0b.jpg" srcset="" alt=words>', [("%C2%A0b.jpg", "src")]),
    ('<svg><base href="/e/"></svg><img src="b.jpg" alt=words>', [("b.jpg", "src")]),
    ('<img src="b.jpg" alt=words>', [("b.jpg", "src")]),
    (
        '<img src="b.jpg" srcset="s.jpg 320w, l.jpg 1280w, m.jpg 640w" alt=words>',
        [("l.jpg", "srcset")],
    ),
    ('<img src="b.jpg" srcset="s.jpg, l.jpg 2x" alt=words>', [("l.jpg", "srcset")]),
    ('<img srcset="a,b.jpg 1x,c.jpg 3x" alt=words>', [("c.jpg", "srcset")]),
    ('<img src="b.jpg" srcset="" alt=words>', [("b.jpg", "src")]),
    (
        '<picture><source srcset="w.webp 800w" type="image/webp"><source srcset="x.avif 900w" type="image/avif"><img src=b.jpg alt=words></picture>',
        [("w.webp", "picture")],
    ),
    (
        '<picture><source srcset="w.webp" type="image/webp; x=y"><img src=b.jpg alt=words><source srcset="late.webp 900w"></picture>',
        [("w.webp", "picture")],
    ),
    (
        '<picture><source srcset="w.webp"></picture><img src=b.jpg alt=words>',
        [("b.jpg", "src")],
    ),
    ('<img src="b.jpg" srcset="s.jpg 0.5x" alt=words>', [("b.jpg", "src")]),
    ('<img src="b.jpg" srcset="l.jpg 900w, s.jpg 900" alt=words>', [("l.jpg", "srcset")]),
    (
        '<picture><source data-srcset="w.webp"><img src=b.jpg alt=words></picture>',
        [("w.webp", "picture")],
    ),
    ('<img src="data:image/gif;base64,AA" data-src="r.jpg" alt=words>', [("r.jpg", "lazy")]),
    ('<img data-original="r.jpg" alt=words>', [("r.jpg", "lazy")]),
    ('<img src="/img/placeholder.png" data-lazy-src="r.jpg" alt=words>', [("r.jpg", "lazy")]),
    ('<img src="b.jpg" data-src="r.jpg" alt=words>', [("b.jpg", "src")]),
    ('<img src="data:," data-srcset="s.jpg 1x, l.jpg 2x" alt=words>', [("l.jpg", "lazy")]),
    (
        '<img src="data:," data-src="r.jpg" alt=words><noscript><img src="r.jpg" alt=words></noscript>',
        [("r.jpg", "lazy")],
    ),
    ('<noscript><img src="r.jpg" alt=words></noscript>', [("r.jpg", "src")]),
    ('<img src="r.jpg" alt=words><img src="r.jpg" alt=words>', [("r.jpg", "src")]),
    ("<img alt=words>", []),
    (
        '<img src="pixelated-castle/photo.jpg" data-src="r.jpg" alt=words>',
        [("pixelated-castle/photo.jpg", "src")],
    ),
]


@pytest.mark.parametrize(("body", "expected"), BEST)
def test_best_reference(body, expected):
    found = parse_page(page(body), "best").images
    assert [(e.url.removeprefix("https://a.example/d/"), e.attribute) for e in found] == expected


@pytest.mark.parametrize(("body", "expected"), BEST)
def test_the_plain_rule_takes_src_alone(body, expected):
    assert all(e.attribute == "src" for e in parse_page(page(body), "plain").images)


SOURCES = ("alt", "title", "aria-label", "figcaption")


@pytest.mark.parametrize(
    ("body", "captions", "expected"),
    [
        ("<img src=b alt=A title=T>", ("alt",), [("A",)]),
        ("<img src=b title=T>", ("alt",), []),
        ("<img src=b title=T>", SOURCES, [("", "T", "", "")]),
        ("<img src=b aria-label=L alt>", SOURCES, [("", "", "L", "")]),
        (
            "<figure><a><img src=b></a><figcaption>A <b>red</b> star</figcaption></figure>",
            SOURCES,
            [("", "", "", "A red star")],
        ),
        (
            "<figure><figcaption>outer</figcaption><figure><img src=b><figcaption>inner</figcaption></figure></figure>",
            ("figcaption",),
            [("inner",)],
        ),
        ("<figure><img src=b></figure><figcaption>none</figcaption>", SOURCES, []),
        # HTML standard, 3.2.8, innerText: words end where lines do, and scripts are not shown
        (
            "<figure><img src=b><figcaption>H<sub>2</sub>O caf<b>é</b>s<!-- c -->!</figcaption></figure>",
            ("figcaption",),
            [("H2O cafés!",)],
        ),
        (
            "<figure><img src=b><figcaption><p>one</p>two<br>three<div>four</div></figcaption></figure>",
            ("figcaption",),
            [("one two three four",)],
        ),
        (
            "<figure><img src=b><figcaption>a<script>x()</script><style>y</style><noscript>n</noscript></figcaption></figure>",
            ("figcaption",),
            [("a",)],
        ),
        (
            "<img src=b alt=A title=T><img src=b alt=A title=U>",
            ("alt", "title"),
            [("A", "T"), ("A", "U")],
        ),
    ],
)
@pytest.mark.parametrize("rule", ["plain", "best"])
def test_texts_of_images(body, captions, expected, rule):
    parsed = parse_page(page(f"<body>{body}"), rule, captions)
    found = [tuple(" ".join(text.split()) for text in image.texts) for image in parsed.images]
    assert found == expected
    assert parsed.wordless == body.count("<img") - sum(image.times for image in parsed.images)


def test_images_without_words_are_counted_once_for_each_noscript_copy():
    body = "<body><img src=a><img data-src=b><noscript><img src=b></noscript><img src=c alt=words>"
    assert parse_page(page(body), "best").wordless == 2
    assert parse_page(page("<img src=a><img alt=words src=b><img>"), "plain").wordless == 1


XHTML = """<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><script src="x.js"/>
<title/><!-- <script/> --><script type="text/javascript">//<![CDATA[
var a = "<div/>"; //]]></script><style/></head><body><p/><a name="top"/><textarea rows='/>'/>
<img src="b.jpg" alt="words"/><br/></body></html>"""


def test_elements_of_xhtml_that_close_themselves():
    served = Page(
        "https://a.example/", (("Content-Type", "application/xhtml+xml"),), XHTML.encode(), ORIGIN
    )
    parsed = parse_page(served)
    assert [image.alt for image in parsed.images] == ["words"]
    assert parsed.tree.css_first("a").text() == ""
    assert '"<div/>"' in parsed.tree.css("script")[1].text()
    # the same bytes served as HTML: the script ends where an HTML parser finds its end tag
    assert parse_page(page(XHTML)).images == ()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        # XML 1.0, 2.7: within a CDATA section only its end is markup
        ("<p><![CDATA[<b>x</b><img src='c.jpg' alt='c'/>]]></p>", "<b>x</b><img src='c.jpg' alt='c'/>"),
        ("<p><![CDATA[a && b < c]]> d</p>", "a && b < c d"),
        ("<p><![CDATA[<i>]]><![CDATA[</p>]]></p>", "<i></p>"),
        ("<p><script>//<![CDATA[\n'<a/>'\n//]]></script></p>", "//<![CDATA[\n'<a/>'\n//]]>"),
        ("<p><style type='/>'/>a</p>", "a"),
    ],
)  # fmt: skip
def test_cdata_sections_of_xhtml_are_text(body, expected):
    content = f"<body>{body}<img src='b.jpg' alt='words'/></body>".encode()
    served = Page("https://a.example/", (("Content-Type", "text/xml"),), content, ORIGIN)
    parsed = parse_page(served)
    assert [image.alt for image in parsed.images] == ["words"]
    assert parsed.tree.css_first("p").text() == expected


@given(
    st.lists(
        st.sampled_from(
            ["<a", "<!--", "-->", "<![CDATA[", "]]>", '"', "'", "/", ">", "/>", " x=", "<br/>"]
        )
    ).map("".join)
)
def test_what_does_not_close_itself_stays(text):
    rewritten = as_html(text.encode())
    assert rewritten == text.encode() or b"></" in rewritten or "<![CDATA[" in text


HOSTILE = {
    "a long srcset": '<img alt=words srcset="' + "a 1x," * 200_000 + '">',
    "commas": '<img alt=words src=b.jpg srcset="' + "," * 1_000_000 + '">',
    "stand-ins": '<img alt=words data-src=b.jpg src="' + "_blank" * 150_000 + '/x.jpg">',
    "a long value without a mark": "<img alt=words src=b.jpg data-src='"
    + "a" * 500_000
    + "/'>"
    + "<img alt=words src=b.jpg data-src='"
    + "a.jpg " * 100_000
    + "'>" * 50,
    "images in one picture": "<picture>"
    + "<source srcset='a 1x'>" * 20_000
    + "<img src=b alt=words>" * 20_000,
    "images in deep noscripts": "<noscript>" * 300 + "<img src=b.jpg alt=words>" * 20_000,
    "long lists of attributes": "<img alt=words src=b.jpg "
    + " ".join(f"data-{n}='/{n}-800x600.jpg'" for n in range(20_000))
    + ">",
    "deep and many": "<div>" * 20_000 + "<img src=b.jpg alt=words>" * 20_000,
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.timeout(60)
def test_work_grows_with_the_page_and_not_with_its_square(name):
    assert any(element.alt == "words" for element in parse_page(page(HOSTILE[name]), "best").images)


def test_captions_of_nested_figures_are_bounded():
    nested = "<figure><img src=b><figcaption>" * 3_000 + "x" * 1_000
    with pytest.raises(PageTooCostly):
        parse_page(page(nested), "plain", ("figcaption",)).images  # noqa: B018
    # the same where only elements are many
    empty = "<figure><img src=b><figcaption>" * 3_000
    with pytest.raises(PageTooCostly):
        parse_page(page(empty), "plain", ("figcaption",)).images  # noqa: B018


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text",
    ["<!--", "<![CDATA[", "<a '", '<a "', "<a/", "<a x=/>", '<script "', "<script ", "<style>"],
)
def test_hostile_xhtml(text):
    as_html(text.encode() * 100_000)
