"""Bytes to text as browsers do it, and captions made fit to publish."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from dataclasses import dataclass

import chardetng_py
import ftfy
import webencodings

META_SCAN_BYTES = 1024  # the HTML standard's prescan
DETECT_BYTES = 1 << 16
WINDOWS_1252 = "windows-1252"
_OTHER_MARKS = (b"\xff\xfe", b"\xfe\xff")
_META_CHARSET = re.compile(rb"""<meta[^>]{1,200}?charset\s*=\s*["']?\s*([\w.:-]{1,40})""", re.IGNORECASE)
_HEADER_CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([\w.:-]{1,40})""", re.IGNORECASE)


def to_utf8(payload: bytes, content_type: str) -> bytes:
    """A page in UTF-8, read by byte order mark, HTTP header, then `<meta>`, as browsers do.

    Where none of them names a known encoding: UTF-8 if the payload is valid UTF-8, else what Firefox's detector
    (chardetng) makes of it. What is declared as UTF-8 is given as it is: where it is invalid, whoever decodes parts of it
    with "replace", as selectolax does, gets the same text, and checking costs as much as reading the archive.
    """
    declared = _HEADER_CHARSET.search(content_type)
    encoding = _lookup(declared[1] if declared else "") or _from_meta(payload)
    if not payload.startswith(_OTHER_MARKS) and (encoding is webencodings.UTF8 or (encoding is None and _is_utf8(payload))):
        return payload.removeprefix(BOM_UTF8)
    encoding = encoding or _lookup(chardetng_py.detect(payload[:DETECT_BYTES]))
    text: str = webencodings.decode(payload, encoding or WINDOWS_1252)[0]
    return text.encode("utf-8", "replace")


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def _from_meta(payload: bytes) -> webencodings.Encoding | None:
    """What a `<meta>` among the first bytes declares; UTF-16 is taken as UTF-8, since it was read as ASCII just now."""
    found = _META_CHARSET.search(payload, 0, META_SCAN_BYTES)
    encoding = _lookup(found[1].decode("ascii") if found else "")
    return webencodings.UTF8 if encoding is not None and encoding.name.startswith("utf-16") else encoding


def _lookup(label: str) -> webencodings.Encoding | None:
    return webencodings.lookup(label) if label else None


@dataclass(frozen=True)
class CaptionSettings:
    """Lengths in characters after cleaning (LAION-400M: at least 5; LAION-5B: 5 to 2,000)."""

    min_chars: int
    max_chars: int


def clean_caption(alt: str) -> str:
    """The alt text with mojibake mended (ftfy, as LAION did), unprintable characters out and white space folded."""
    if alt.isascii() and alt.isprintable() and "&" not in alt:
        return " ".join(alt.split())  # in such a text ftfy finds nothing to mend, and takes 30 us for it
    return mended_caption(alt)


def mended_caption(alt: str) -> str:
    """What `clean_caption` gives for any text."""
    mended = " ".join(ftfy.fix_text(alt).split())
    return " ".join("".join(c for c in mended if c.isprintable()).split())


def caption_problem(caption: str, settings: CaptionSettings) -> str | None:
    """The reason why a cleaned caption is not taken, if there is one."""
    if len(caption) < settings.min_chars:
        return "caption_too_short"
    return "caption_too_long" if len(caption) > settings.max_chars else None
