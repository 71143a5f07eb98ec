"""Whether a body is HTML: by header, else by its first bytes, as the standards say."""

from __future__ import annotations

import pytest

from pairsieve.warc.media_type import media_type, sniffs_as_html


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
    assert media_type(values) == expected


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
