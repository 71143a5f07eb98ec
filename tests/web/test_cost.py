from __future__ import annotations

import pytest
import webencodings

from pairsieve.web.cost import MAX_BYTES, MAX_TAGS, is_costly

LINK = b'<p><a href="/x" class="a b">text</a> <b>bold</b> and <i>more</i>, <img src=a.jpg alt=words></p>\n'


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"<",
        b"<b",
        b"a" * 10_000 + b"<",
        b"<html><body>" + LINK * 90,
        b"<p>" + b"word " * 15_000,
    ],
)
def test_ordinary_pages_are_parsed_on_the_spot(payload):
    assert not is_costly(payload)


@pytest.mark.parametrize(
    "payload",
    [
        b"<p>" * (MAX_TAGS + 1),
        b"".join(b"<font a=%d><p>" % n for n in range(500)),
        b"".join(b"<FONT/a=%d><P>" % n for n in range(500)),
        b"".join(b"<b a=%d><div>" % n for n in range(100)) + b"</b>" * 1000,
        b"<p>" * 300 + b"<i " + b" ".join(b"a%d" % n for n in range(9)) + b"><p>",
        b"<p>" * 300 + b"<i " + b" ".join(b'a%d=">"' % n for n in range(9)) + b"><p>",
        b"<p>" * 300 + b'<i "a=">" b c d e f g h i j>',
        b"<p>" * 300 + b"<body " + b" ".join(b"a%d" % n for n in range(9)) + b">",
        b"<img " + b" ".join(b"a%d" % n for n in range(20_000)) + b">",
        b"<img " + b"/".join(b"a%d" % n for n in range(20_000)) + b">",
        b"<img " + b"".join(b'a%d=""' % n for n in range(20_000)) + b">",
        b" " * (MAX_BYTES + 1),
    ],
)
def test_what_could_take_long_is_not(payload):
    assert is_costly(payload)


# "replacement" writes nothing: a page that names it is one U+FFFD (Encoding Standard, 14.1).
ENCODINGS = sorted(
    {encoding.name for label in webencodings.LABELS if (encoding := webencodings.lookup(label))}
    - {"replacement"}
)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_no_encoding_of_the_standard_hides_tags(encoding):
    """Whatever a page is written in, what counts is what its parser will see (Encoding
    Standard).
    """
    page = "".join(f"<font a={n}><p>" for n in range(500))
    written = webencodings.encode(page, encoding)
    assert webencodings.decode(written, encoding)[0] == page
    assert is_costly(written)


def test_escapes_of_an_encoding_hide_no_tags():
    written = b"".join(b"<\x1b(Bfont a=%d><\x1b(Bp>" % n for n in range(500))
    assert "<font a=1><p>" in webencodings.decode(written, "iso-2022-jp")[0]
    assert is_costly(written)
