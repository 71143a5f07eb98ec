from __future__ import annotations

import pytest

from pairsieve.web.encodings import encoding_of

TEXTS = ["User-agent: *\nDisallow: /", "höhe.example\n", "a", "ab", "*"]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_python_wrote_is_read(text, encoding):
    content = text.encode(encoding)
    assert content.decode(encoding_of(content)) == text


@pytest.mark.parametrize("content", [b"", b"\0", b"U\0ser-agent: *", b"\0\0\0\0", "日本".encode()])
def test_what_is_no_utf_16_is_utf_8(content):
    assert encoding_of(content) == "utf-8-sig"
