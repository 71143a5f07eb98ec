"""Whether a body is HTML: by header, else by its first bytes, as the standards say."""

from __future__ import annotations

import pytest

from pairsieve.records.page import combined
from pairsieve.web.media_type import media_type, sniffs_as_html


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        # Fetch standard, "extract a MIME type", and its examples.
        (["text/html"], "text/html"),
        (["TEXT/HTML;charset=x"], "text/html"),
        (["text/html;charset=gbk, text/html"], "text/html"),
        (["text/html;charset=gbk;a=b, text/html;x=y"], "text/html"),
        (["text/html;charset=gbk", "x/x", "text/html;x=y"], "text/html"),
        (["text/html", "cannot-parse"], "text/html"),
        (["text/html", "*/*"], "text/html"),
        (["text/html", ""], "text/html"),
        (["text/plain", "text/html"], "text/html"),
        (["text/html, text/plain"], "text/plain"),
        (['text/html;x=", text/plain"'], "text/html"),
        (["text/"], ""),
        (["/html"], ""),
        (["text html"], ""),
        (["text/html html"], ""),
        ([""], ""),
        ([], ""),
        (["unknown/unknown"], ""),
        ([" text/html "], "text/html"),
    ],
)
def test_media_type(values, expected):
    headers = [("Content-Type", value) for value in values]
    assert media_type(combined(headers, "content-type")).essence == expected


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        # web-platform-tests, mimesniff/mime-types: what each says of the encoding.
        ("text/html;charset=gbk", "gbk"),
        ("TEXT/HTML;CHARSET=GBK", "GBK"),
        ("text/html;charset=gbk(", "gbk("),
        ("text/html;x=(;charset=gbk", "gbk"),
        ("text/html;charset=gbk;charset=windows-1255", "gbk"),
        ("text/html;charset =gbk", None),
        ("text/html ;charset=gbk", "gbk"),
        ("text/html;charset= gbk", " gbk"),
        ("text/html;charset='gbk'", "'gbk'"),
        ("text/html;test;charset=gbk", "gbk"),
        ("text/html;test=;charset=gbk", "gbk"),
        ("text/html;';charset=gbk", "gbk"),
        ('text/html;";charset=gbk', "gbk"),
        ("text/html ; ; charset=gbk", "gbk"),
        ("text/html;;;;charset=gbk", "gbk"),
        ('text/html;charset="gbk"', "gbk"),
        ('text/html;charset="gbk', "gbk"),
        ('text/html;charset=gbk"', 'gbk"'),
        ('text/html;charset=" gbk"', " gbk"),
        (r'text/html;charset="\ gbk"', " gbk"),
        (r'text/html;charset="\g\b\k"', "gbk"),
        ('text/html;charset="gbk"x', "gbk"),
        ("text/html;charset={gbk}", "{gbk}"),
        ("text/html;test=\u00ff;charset=gbk", "gbk"),
        # What follows from the standard's steps, and is in no table.
        ("text/html;charset=;charset=gbk", "gbk"),
        ('text/html;charset="";charset=gbk', ""),
        ("text/html;charset=\ufffd;charset=gbk", "gbk"),
        ('text/html;charset="gbk\\', "gbk\\"),
        (r'text/html;charset="gbk\"', 'gbk"'),
        ('text/html;x=",;charset=big5";charset=gbk', "gbk"),
        ("text/html(;charset=gbk", None),
        ("; charset=gbk", None),
        # Fetch standard, "extract a MIME type": its examples.
        ("text/plain;charset=gbk, text/html", None),
        ("text/html;charset=gbk;a=b, text/html;x=y", "gbk"),
        ("text/html;charset=gbk, x/x, text/html;x=y", None),
        ("text/html;charset=gbk, cannot-parse", "gbk"),
        ("text/html;charset=gbk, */*", "gbk"),
        ("text/html;charset=gbk, ", "gbk"),
    ],
)
def test_charset(content_type, expected):
    assert media_type(content_type).charset == expected


# MIME Sniffing standard, 7.1: the patterns.
TAGS = (
    b"<!DOCTYPE HTML", b"<HTML", b"<HEAD", b"<SCRIPT", b"<IFRAME", b"<H1", b"<DIV", b"<FONT", b"<TABLE",
    b"<A", b"<STYLE", b"<TITLE", b"<B", b"<BODY", b"<BR", b"<P",
)  # fmt: skip


@pytest.mark.parametrize("tag", TAGS)
def test_tags_that_make_html(tag):
    for body in (tag + b">", tag.lower() + b" x=y>", b" \t\r\n\f" + tag + b">"):
        assert sniffs_as_html(body)
    # A blank or > must follow.
    for body in (tag, tag + b"x>", tag + b"\n>", b"x" + tag + b">", b"\0" + tag + b">"):
        assert not sniffs_as_html(body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"<!--", True),
        (b"<!-- a comment", True),
        (b"<!-", False),
        (b"<?xml version='1.0'?><html>", False),
        (b"%PDF-1.7", False),
        (b"\xef\xbb\xbf<html>", False),  # the standard says text/plain
        (b"words <html>", False),
        (b"<img src=a>", False),
        (b"", False),
        (b" " * 1440 + b"<html>", False),  # the resource header has 1445 bytes
        (b" " * 1439 + b"<html>", True),
    ],
)
def test_sniffing(body, expected):
    assert sniffs_as_html(body) is expected
