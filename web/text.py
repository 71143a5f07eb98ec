"""Bytes to text as browsers do it, and captions made fit to publish."""

from __future__ import annotations

import re
from dataclasses import dataclass

import ftfy
import webencodings

META_SCAN_BYTES = 1024  # the HTML standard's prescan
_META_CHARSET = re.compile(rb"""<meta[^>]{1,200}?charset\s*=\s*["']?\s*([\w.:-]{1,40})""", re.IGNORECASE)
_HEADER_CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([\w.:-]{1,40})""", re.IGNORECASE)


def decode_html(payload: bytes, content_type: str) -> str:
    """Text by byte order mark, HTTP header, then `<meta>`; without any, UTF-8 if it is valid and windows-1252 if not."""
    declared = _HEADER_CHARSET.search(content_type)
    found = _META_CHARSET.search(payload, 0, META_SCAN_BYTES)
    label = declared[1] if declared else found[1].decode("ascii") if found else ""
    encoding = webencodings.lookup(label) or (webencodings.UTF8 if _is_utf8(payload) else webencodings.lookup("windows-1252"))
    return str(webencodings.decode(payload, encoding)[0])


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


@dataclass(frozen=True)
class CaptionSettings:
    """Lengths in characters after cleaning (LAION-400M: at least 5; LAION-5B: 5 to 2,000)."""

    min_chars: int
    max_chars: int


def clean_caption(alt: str) -> str:
    """The alt text with mojibake mended (ftfy, as LAION did), unprintable characters out and white space folded."""
    mended = " ".join(ftfy.fix_text(alt).split())
    return " ".join("".join(c for c in mended if c.isprintable()).split())


def caption_problem(caption: str, settings: CaptionSettings) -> str | None:
    """The reason why a cleaned caption is not taken, if there is one."""
    if len(caption) < settings.min_chars:
        return "caption_too_short"
    return "caption_too_long" if len(caption) > settings.max_chars else None
