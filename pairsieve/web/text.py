"""Bytes to text as browsers do it, and captions made fit to publish."""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from dataclasses import dataclass
from typing import Any
from unicodedata import combining

import chardetng_py
import ftfy
import webencodings

META_SCAN_BYTES = 1024  # the HTML standard's prescan
DETECT_BYTES = 1 << 16
WINDOWS_1252 = "windows-1252"
_OTHER_MARKS = (b"\xff\xfe", b"\xfe\xff")
_META_CHARSET = re.compile(
    rb"""<meta[^>]{1,200}?charset\s*=\s*["']?\s*([\w.:-]{1,40})""", re.IGNORECASE
)
# A caption is not cleaned where it is longer than RAW_CHARS times what is taken: blanks, entities
# (`&eacute;`, eight characters) and mojibake (up to four) make it longer than what becomes of it.
RAW_CHARS = 8
# UAX #15, 13: no text in use has more combining marks in a row, and sorting them takes quadratic
# time
MAX_MARKS = 30
SHORT_CHARS = 500  # so many marks are sorted in 0.2 ms
MAX_ESCAPES = 4  # ftfy undoes one `amp;` of `&amp;amp;amp;` in each of its passes over the text
_ESCAPES = re.compile(rf"&(?:(?:amp|#0*+38|#x0*+26);){{{MAX_ESCAPES},}}", re.IGNORECASE)
_HEADER_CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([\w.:-]{1,40})""", re.IGNORECASE)


def to_utf8(payload: bytes, content_type: str) -> bytes:
    """A page in UTF-8, read by byte order mark, HTTP header, then `<meta>`, as browsers do.

    Where none of them names a known encoding: UTF-8 if the payload is valid UTF-8, else what
    Firefox's detector (chardetng) makes of it. What is declared as UTF-8 is given as it is: where
    it is invalid, whoever decodes parts of it with "replace", as selectolax does, gets the same
    text, and checking costs as much as reading the archive.
    """
    declared = _HEADER_CHARSET.search(content_type)
    encoding = _lookup(declared[1] if declared else "") or _from_meta(payload)
    if not payload.startswith(_OTHER_MARKS) and (
        encoding is webencodings.UTF8 or (encoding is None and _is_utf8(payload))
    ):
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
    """What a `<meta>` among the first bytes declares; UTF-16 is taken as UTF-8, since it was read
    as ASCII just now.
    """
    found = _META_CHARSET.search(payload, 0, META_SCAN_BYTES)
    encoding = _lookup(found[1].decode("ascii") if found else "")
    return (
        webencodings.UTF8
        if encoding is not None and encoding.name.startswith("utf-16")
        else encoding
    )


def _lookup(label: str) -> webencodings.Encoding | None:
    return webencodings.lookup(label) if label else None


def storable(text: str) -> str:
    """Text that UTF-8 can hold: surrogates that are no pair become U+FFFD. They come from JSON
    escapes and from bytes of headers.

    It is called wherever text enters that was not decoded from UTF-8 with "replace".
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def json_value(text: str | bytes) -> Any:
    """What a JSON document of anybody says, its text storable.

    Raises ValueError, also where it is nested too deeply.
    """
    try:
        value = json.loads(text)
        if (b"\\u" if isinstance(text, bytes) else "\\u") in text:  # type: ignore[operator]
            value = json.loads(storable(json.dumps(value, ensure_ascii=False)))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


@dataclass(frozen=True)
class CaptionSettings:
    """Lengths in characters after cleaning (LAION-400M: at least 5; LAION-5B: 5 to 2,000)."""

    min_chars: int
    max_chars: int


def clean_caption(alt: str) -> str:
    """The alt text with mojibake mended (ftfy, as LAION did), unprintable characters out and white
    space folded.
    """
    if alt.isascii() and alt.isprintable() and "&" not in alt:
        # in such a text ftfy finds nothing to mend, and takes 30 us for it
        return " ".join(alt.split())
    return mended_caption(alt)


def mended_caption(alt: str) -> str:
    """What `clean_caption` gives for any text."""
    alt = _fewer_marks(_ESCAPES.sub("&amp;", alt))
    mended = " ".join(ftfy.fix_text(alt).split())
    return " ".join("".join(c for c in mended if c.isprintable()).split())


def _fewer_marks(text: str) -> str:
    """The text with at most MAX_MARKS combining marks in a row; a short one as it is."""
    if len(text) <= SHORT_CHARS or text.isascii():
        return text
    kept, marks = list[str](), 0
    for character in text:
        marks = marks + 1 if combining(character) else 0
        if marks <= MAX_MARKS:
            kept.append(character)
    return text if len(kept) == len(text) else "".join(kept)


def is_hopeless(alt: str, settings: CaptionSettings) -> bool:
    """Whether an alt text is so long that it need not be cleaned to be too long."""
    return len(alt) > RAW_CHARS * settings.max_chars


def caption_problem(caption: str, settings: CaptionSettings) -> str | None:
    """The reason why a cleaned caption is not taken, if there is one."""
    if len(caption) < settings.min_chars:
        return "caption_too_short"
    return "caption_too_long" if len(caption) > settings.max_chars else None
