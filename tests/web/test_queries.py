"""Queries in the encoding of a page. Right answers: the URL Standard's examples of "percent-encode
after encoding", web-platform-tests (legacy-mb-*, encode-href), and what the decoder reads back.
"""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

import pytest
import webencodings

from pairsieve.records.page import Origin, Page
from pairsieve.web.charsets import decode
from pairsieve.web.html import parse_page
from pairsieve.web.queries import escaped_query


@pytest.mark.parametrize(
    ("name", "query", "expected"),
    [
        ("shift_jis", "≡", "%81%DF"),
        ("shift_jis", "1+1 ≡ 2%20\u203d", "1+1 %81%DF 2%20%26%238253%3B"),
        ("iso-2022-jp", "¥", "%1B(J\\%1B(B"),
        ("windows-1252", "é=ü", "%E9=%FC"),
        ("windows-1251", "фото", "%F4%EE%F2%EE"),
        ("koi8-u", "фото", "%C6%CF%D4%CF"),
        # the minus, the yen sign, half-width katakana
        ("euc-jp", "−¥‾ｱ", "%A1%DD\\~%8E%B1"),
        ("shift_jis", "−¥‾ｱ", "%81|\\~%B1"),
        ("iso-2022-jp", "日a", "%1B$BF|%1B(Ba"),
        ("iso-2022-jp", "ｶ한", "%1B$B%+%1B(B%26%2354620%3B"),
        # the last of two codes; a code of Hong Kong, which is only read
        ("big5", "十═", "%A4Q%F9%F9"),
        ("big5", "㐵", "%26%2313365%3B"),
        ("euc-kr", "사진", "%BB%E7%C1%F8"),
        # of JIS X 0212 and of IBM's characters in the rows of NEC, which are only read
        ("euc-jp", "丂", "%26%2319970%3B"),
        ("shift_jis", "纊", "%FA\\"),
        ("gbk", "€图", "%80%CD%BC"),
        ("gbk", "😀", "%26%23128512%3B"),
        ("gb18030", "€😀", "%A2%E3%949%FC6"),
    ],
)
def test_queries(name, query, expected):
    assert escaped_query(query, name) == expected


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("euc-jp", "日本語の写真ｶﾅ"),
        ("shift_jis", "日本語の写真ｶﾅ①"),
        ("iso-2022-jp", "日本語aの~写真"),
        ("euc-kr", "한국어 똠방각하"),
        ("big5", "繁體中文圖片"),
        ("gbk", "简体中文图片"),
        ("gb18030", "简体中文图片𠀀é"),
        ("windows-874", "ภาพถ่าย"),
        ("windows-1255", "תמונה"),
        ("iso-8859-7", "φωτογραφία"),
    ],
)
def test_the_decoder_reads_queries_back(name, text):
    escaped = unquote_to_bytes(escaped_query(text, name))
    assert decode(escaped, webencodings.lookup(name)) == text


@pytest.mark.parametrize(
    ("body", "charset", "expected"),
    [
        ('<img src="사?f=사#진" alt=w>', "euc-kr", "%EC%82%AC?f=%BB%E7"),
        ('<img src="/a.php?f=фото&amp;w=1" alt=w>', "windows-1251", "a.php?f=%F4%EE%F2%EE&w=1"),
        ('<img src="#사?f=사" alt=w>', "euc-kr", ""),
        ('<img srcset="a?f=é 2x" alt=w>', "windows-1252", "a?f=%E9"),
        ('<img data-src="a.jpg?f=é" alt=w>', "windows-1252", "a.jpg?f=%E9"),
        ('<base href="/b/é?é"><img src="?f=é" alt=w>', "windows-1252", "b/%C3%A9?f=%E9"),
        # Encoding Standard, "get an output encoding"
        ('<img src="a?f=é" alt=w>', "utf-16le", "a?f=%C3%A9"),
        ('<img src="a?f=é" alt=w>', "utf-8", "a?f=%C3%A9"),
    ],
)
def test_images(body, charset, expected):
    content_type = (("Content-Type", f"text/html; charset={charset}"),)
    payload = body.encode(charset)
    page = Page("https://a.example/", content_type, payload, Origin("x", 0, "", ""))
    (image,) = parse_page(page, "best").images
    assert image.url == f"https://a.example/{expected}"
