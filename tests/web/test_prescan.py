"""Declarations by the HTML standard's steps; the expectation of each follows from the step named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.web.prescan import MAX_HEAD_BYTES, SCANNED_BYTES, declared_encoding

PRAGMA = b'http-equiv="Content-Type"'


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"<meta charset=koi8-r>", "koi8-r"),
        (b"<META/CHARSET='KOI8-R'>", "koi8-r"),
        (b"<meta charset = ' koi8-r ' />", "koi8-r"),
        (b"<meta data-x='a>b' charset=koi8-r>", "koi8-r"),
        (b"<meta charset=koi8-r charset=big5>", "koi8-r"),  # of equal names the first
        (b"<meta charset=nonsense><meta charset=big5>", "big5"),
        (b"<meta charset=utf-16>", "utf-8"),
        (b"<meta charset=utf-16be>", "utf-8"),
        (b"<meta charset=x-user-defined>", "windows-1252"),
        (b"<meta charset=iso-8859-1>", "windows-1252"),
        (b"<meta charset=koi8-r", None),  # the bytes run out
        (b"<meta charset='koi8-r>", None),
        (b"<metax charset=koi8-r>", None),
        (b"<meta " + PRAGMA + b" content='text/html; charset=big5'>", "big5"),
        (b"<meta content='text/html; charset=big5' " + PRAGMA + b">", "big5"),
        (b"<meta content='text/html; charset=big5'>", None),  # no pragma
        (b"<meta name=description content='how charset=big5 works'>", None),
        (b"<meta http-equiv=refresh content='0; charset=big5'>", None),
        (b"<meta charset=koi8-r content='text/html; charset=big5' " + PRAGMA + b">", "koi8-r"),
        (b"<meta content='text/html; charset=big5' charset=koi8-r>", "koi8-r"),
        (b"<meta " + PRAGMA + b" content='charset charset = \"big5\"'>", "big5"),
        (b"<meta " + PRAGMA + b" content='charset=big5;x'>", "big5"),
        (b"<meta " + PRAGMA + b" content='charset=\"big5; charset=koi8-r'>", None),
        (b"<meta " + PRAGMA + b" content='charset=; charset=koi8-r'>", None),
        (b"<!-- <meta charset=big5> --><meta charset=koi8-r>", "koi8-r"),
        (b"<!--><meta charset=koi8-r>", "koi8-r"),
        (b"<!-- <meta charset=koi8-r>", None),
        (b"<!doctype html '<meta charset=big5>'><meta charset=koi8-r>", "koi8-r"),
        (b"<a title='<meta charset=big5>'><meta charset=koi8-r>", "koi8-r"),
        (b"<a title='<meta charset=big5><meta charset=koi8-r>", None),
        (b"</p title='<meta charset=big5>'><meta charset=koi8-r>", "koi8-r"),
        (b"<? <meta charset=big5><meta charset=koi8-r>", "koi8-r"),
        (b"a < b <meta charset=koi8-r>", "koi8-r"),
        (b'<?xml version="1.0" encoding="koi8-r"?><html>', "koi8-r"),
        (b"<?xml encoding = 'koi8-r'?><meta charset=big5>", "big5"),
        (b'<?xml encoding="koi8 -r"?>', None),
        (b'<?xml encoding="koi8-r"', None),
        (b'<?xml?> encoding="koi8-r">', None),
        (b' <?xml encoding="koi8-r"?>', None),
        ("<?xml".encode("utf-16-le"), "utf-16le"),
        ("<?xml".encode("utf-16-be"), "utf-16be"),
        (b" " * (SCANNED_BYTES - 21) + b"<meta charset=koi8-r>", "koi8-r"),
        (b"<p>" + b" " * (SCANNED_BYTES - 4) + b"<meta charset=koi8-r>", "koi8-r"),
        (b"<p>" + b" " * (SCANNED_BYTES - 3) + b"<meta charset=koi8-r>", None),
        (b" " * MAX_HEAD_BYTES + b"<meta charset=koi8-r>", None),
    ],
)
def test_declared_encoding(head, expected):
    encoding = declared_encoding(head)
    assert (encoding.name if encoding else None) == expected


LATE = b"\n" * SCANNED_BYTES


@pytest.mark.parametrize(
    ("head", "counts"),
    [
        # web-platform-tests, html/syntax/charset; named after its files
        (LATE + b"<meta charset=koi8-r></head>", True),  # after-1kb
        (LATE + b"<bogus><meta charset=koi8-r></head>", False),  # after-bogus-after-1kb
        (b"<bogus><meta charset=koi8-r></head>", True),  # after-bogus
        (LATE + b"</head><meta charset=koi8-r><body>", False),  # after-head-after-1kb
        (b"</head><meta charset=koi8-r><body>", True),  # after-head-in-1kb
        (b"<script>document.write('<meta char' + 'set=koi8-r>');</script>", False),
        (b"<!--<meta charset=koi8-r>-->", False),
        (
            b"<noscript><template></template>" + LATE + b"<meta charset=koi8-r></noscript>",
            False,
        ),
        (b"<object><meta charset=koi8-r></object>", True),
        (b"<script><meta charset=koi8-r></script>", False),
        (b"<style><meta charset=koi8-r></style>", False),
        (b"</head><body><svg><meta charset=koi8-r></svg>", True),
        (b"<svg><![CDATA[<meta charset=koi8-r>]]></svg>", False),
        (LATE + b"<template><meta charset=koi8-r></template>", False),
        (b"<template><meta charset=koi8-r></template>", True),
        (b"<title><meta charset=koi8-r></title>", False),
        (b'<meta charset="&#107;oi8-r">', True),  # ncr
        # and what follows from them
        (b"<script>" + LATE + b"if (a</b/) {}</SCRIPT><meta charset=koi8-r>", True),
        (b"<title/><p>" + LATE + b"<meta charset=koi8-r>", False),
        (b"<script>var a = '</scripts>'; <meta charset=koi8-r></script>", False),
        # a number of more digits than Python reads
        (b"<meta charset='&#" + b"9" * 5000 + b";'>", False),
    ],
)
def test_declarations_that_browsers_obey(head, counts):
    encoding = declared_encoding(b"<!DOCTYPE html>\n<head>\n<link rel=match href=a>\n" + head)
    assert (encoding is not None) == counts


@given(
    st.binary(max_size=200)
    | st.text(max_size=200, alphabet="<>/='\" metacharset!-?xl").map(str.encode)
)
def test_any_bytes(head):
    declared_encoding(head)
