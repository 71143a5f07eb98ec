"""Captions, URLs, headers and files of rules that are hard to read, for benchmarks/hostile.py."""

from __future__ import annotations

from benchmarks.hostile_shapes import Shape, numbered, shapes_of
from pairsieve.records.pair import Pair
from pairsieve.web.text import storable


def text_shapes() -> dict[str, Shape]:
    """Return texts that are hard to repair, or to search for numbers, names and addresses."""
    tokens = (
        "word ", "&amp;", "\u0301", "\u0316\u0301", "a\u0301", "Ã©", "ÃƒÂ©", "â€™", "&lt;",
        "&#x41;", "\u1100\u1161\u11a8", "\ufdfa",
        "\ud83d",
        "4111 ", "4111 1111 1111 1111 ", "card 4111111111111111 ", "1", "1 ", "12-", "1.1.1.1 ",
        "a:", "::", "a@", "a.", "a at a dot ",
        "a@a.a.com ", "DE89 ", "DE89370400440532013000 ", "tel ", "tel 1 ", "+1 ",
        "+1 202 555 0100 ", "tel 0301234567 ", "00", "born ",
        "born 1 ", "1 Main ", "Am ", "Via A ", "rue de la ", "A A ", "ul. A ", "123-45-",
        "nhs 943 476 5919 ", "fracture ", "x-ray of ", "a pie knee before ",
        "knee before and after surgery ",
        "ＡＢ",
        "born on", "née ", "Calle ", "d'", "A-", "(at) ", "[dot] ",
        "a", "서울의", "漢", "l'", "a-",
        "dni 12345678 ", "電話03 ", "0044 ", "de89 3704 ", "AB12 ", "1 Aa Apt ", "phone 123 4567 ",
    )  # fmt: skip
    return {
        **shapes_of(tokens),
        "'&' and 'amp;'": lambda n: "&" + "amp;" * n,
        "'&' and '#38;'": lambda n: "&" + "#38;" * n,
    }


def url_shapes() -> dict[str, Shape]:
    """Return texts that are hard where a URL is expected."""
    tokens = (
        "/",
        "/..",
        "/a/..",
        "%41",
        "%",
        "%zz",
        "?",
        "#",
        "@",
        ":",
        "a.",
        "xn--a.",
        "é",
        "\u0301",
        "\\",
        "\t",
        "[",
        "-",
    )
    return shapes_of(tokens)


def header_shapes() -> dict[str, Shape]:
    """Return hard values of header fields."""
    tokens = (
        "noai,",
        '"',
        "<",
        '\\"',
        "a=",
        "=",
        "a.b ",
        "a:",
        " ",
        "max-snippet:",
        "unavailable_after:",
        ",1",
        "train-ai=n;",
        "(",
        '"\\',
    )
    return shapes_of(tokens)


def robots_shapes() -> dict[str, Shape]:
    """Return hard files of rules (robots.txt)."""
    lines = (
        "User-agent: *\n", "Disallow: /*a*a*a*a*b\n", "Allow: /a\n", "User-agent: *\nDisallow: /\n",
        "Content-Usage: /*a*a*b train-ai=n\n",
        "*", "a:", "\r", "\u0085",
    )  # fmt: skip
    return shapes_of(lines)


def licence_shapes() -> dict[str, Shape]:
    """Return hard licence files (RSL)."""
    content = (
        b'<content url="/%d"><license><permits type="usage">ai-train</permits></license></content>'
    )
    rsl = b'<rsl xmlns="https://rslstandard.org/rsl">'
    return {
        "contents": lambda n: rsl + numbered(content)(n) + b"</rsl>",
        "nested contents": lambda n: rsl + b"<content>" * n + b"</content>" * n + b"</rsl>",
        "attributes": lambda n: (
            rsl + b"<content " + b"".join(b'a%d="" ' % number for number in range(n)) + b"/></rsl>"
        ),
        "namespaces": lambda n: (
            rsl
            + b"<content "
            + b"".join(b'xmlns:a%d="b" ' % number for number in range(n))
            + b"/></rsl>"
        ),
    }


def pair_of(make: Shape, n: int) -> Pair:
    """Make a pair whose caption and URL have a shape."""
    caption = storable(make(n)[: 4 * n])
    return Pair(
        key=bytes(16),
        url="https://a.example/" + caption[:1000],
        caption=caption,
        subset="en",
        language="en",
        page_url="https://a.example/",
        warc_file="a",
        record_offset=0,
        payload_digest="",
        crawl_time="",
        position=0,
        evidence={},
    )
