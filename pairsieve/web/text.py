"""Bytes to text as browsers do it, and captions made fit to publish."""

from __future__ import annotations

import codecs
import json
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from dataclasses import dataclass
from typing import Any, NamedTuple
from unicodedata import combining, is_normalized

import chardetng_py
import ftfy
import webencodings
from ftfy.badness import is_bad
from ftfy.chardata import CONTROL_CHARS, LIGATURES, WIDTH_MAP
from ftfy.fixes import uncurl_quotes

from pairsieve.web.charsets import REPLACEMENT, decode
from pairsieve.web.media_type import media_type
from pairsieve.web.prescan import declared_encoding, encoding_of_xml
from pairsieve.web.urls import absolute, host_of
from pairsieve.web.xhtml import is_xhtml

DETECT_BYTES = 1 << 16
WINDOWS_1252 = "windows-1252"
_LABEL = re.compile(r"[a-z][a-z0-9-]*")
_BYTE_ORDER_MARKS = ((BOM_UTF8, "utf-8"), (BOM_UTF16_LE, "utf-16le"), (BOM_UTF16_BE, "utf-16be"))
# A caption is not cleaned where it is longer than RAW_CHARS times what is taken: blanks, entities
# (`&eacute;`, eight characters) and mojibake (up to four) make it longer than what becomes of it.
RAW_CHARS = 8
# UAX #15, 13: no text in use has more combining marks in a row, and sorting them takes quadratic
# time
MAX_MARKS = 30
SHORT_CHARS = 500  # so many marks are sorted in 0.2 ms
# In ASCII ftfy mends entities, and takes control characters out.
_MENDED_IN_ASCII = re.compile(r"[&\x00-\x08\x0e-\x1f\x7f]")
# What any step of ftfy changes, beside quotation marks and what looks like mojibake: entities,
# lines and their ends, controls, surrogates, ligatures, and letters of other widths.
_MENDED_LETTERS = re.compile(
    "[&\n\r\x1b\x80-\x9f\u2028\u2029\ud800-\udfff"
    + re.escape("".join(map(chr, (*CONTROL_CHARS, *LIGATURES, *WIDTH_MAP))))
    + "]"
)
# What nobody sees, and what turns the order of the text around it. Listed by code point: Unicode
# categories, and so `str.isprintable`, take out what is newer than this Python, and what writing
# systems need (joiners, number signs, variation selectors, the tags of flags).
_INVISIBLE = re.compile(
    # kept: a flag of a region (UTS #51, ED-14a); tags elsewhere hide text
    "(\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f)"
    "|[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"  # controls (Cc)
    "\xad\u200b\u2060-\u2064\ufeff"  # soft hyphen, zero-width spaces, invisible operators
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # Bidi_Control (UAX #9)
    "\u206a-\u206f\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # other formats (Cf)
    "\ud800-\udfff\ue000-\uf8ff\U000f0000-\U0010ffff"  # surrogates and private use
    "\ufdd0-\ufdef\ufffe\uffff\U0001fffe\U0001ffff"  # noncharacters
    "\U000e0000-\U000e00ff\U000e01f0-\U000effff]"  # tags, and what is ignorable by default
)
# Join_Control: Persian, Indic scripts and emoji need one between letters; more of them, and those
# between blanks, hide something.
_JOINERS = re.compile("(?<!\\S)[\u200c\u200d]+(?!\\S)|([\u200c\u200d])[\u200c\u200d]+")
MAX_ESCAPES = 4  # ftfy undoes one `amp;` of `&amp;amp;amp;` in each of its passes over the text
_ESCAPES = re.compile(rf"&(?:(?:amp|#0*+38|#x0*+26);){{{MAX_ESCAPES},}}", re.IGNORECASE)


class PageText(NamedTuple):
    """A page in UTF-8, and the encoding that it came in."""

    utf8: bytes
    encoding: webencodings.Encoding


def to_utf8(payload: bytes, content_type: str, url: str = "") -> bytes:
    """The page of `page_text` without its encoding."""
    return page_text(payload, content_type, url).utf8


def page_text(payload: bytes, content_type: str, url: str = "") -> PageText:
    """A page in UTF-8, read as browsers do (HTML standard, 13.2.3.2, "determining the character
    encoding").

    The byte order mark counts first, then the HTTP header, then what the page declares. Where none
    of them names a known encoding it is UTF-8 if the payload is valid UTF-8, else what Firefox's
    detector (chardetng) makes of it and of the top-level domain of `url`. UTF-8 is given as it is:
    where it is invalid, whoever decodes parts of it with "replace", as selectolax does, gets the
    same text, and checking costs as much as reading the archive.
    """
    for mark, name in _BYTE_ORDER_MARKS:
        if payload.startswith(mark):
            return _in_utf8(payload[len(mark) :], webencodings.lookup(name))
    encoding = _from_header(content_type) or _declared(payload, content_type)
    if encoding is None:
        encoding = webencodings.UTF8 if _is_utf8(payload) else _detected(payload, url)
    return _in_utf8(payload, encoding)


def _declared(payload: bytes, content_type: str) -> webencodings.Encoding | None:
    """What a page declares. To XML a `<meta>` declares nothing (XML 1.0, 4.3.3)."""
    if is_xhtml(content_type) and _is_utf8(payload):
        return encoding_of_xml(payload)
    return declared_encoding(payload)


def _detected(payload: bytes, url: str) -> webencodings.Encoding:
    """What Firefox's detector makes of bytes that declare nothing."""
    detector = chardetng_py.EncodingDetector()
    # To the detector a character that the end cuts off is an error.
    detector.feed(payload[:DETECT_BYTES], last=len(payload) <= DETECT_BYTES)
    label = detector.guess(tld=_top_level_domain(url), allow_utf8=False)
    # The binding gives this name of Python's in place of the standard's.
    label = "windows-874" if label == "cp874" else label
    return webencodings.lookup(label) or webencodings.lookup(WINDOWS_1252)


def _top_level_domain(url: str) -> bytes | None:
    """The last label of a URL's host in lower case and punycode; None of what has no name."""
    label = host_of(absolute(url, "") or "").rstrip(".").rpartition(".")[2]
    return label.encode() if _LABEL.fullmatch(label) else None


def _in_utf8(payload: bytes, encoding: webencodings.Encoding) -> PageText:
    if encoding is webencodings.UTF8:
        return PageText(payload, encoding)
    return PageText(decode(payload, encoding).encode("utf-8", "replace"), encoding)


def _is_utf8(payload: bytes) -> bool:
    """Whether bytes are UTF-8. Crawlers cut long pages, also in the middle of a character."""
    try:
        text, used_bytes = codecs.utf_8_decode(payload, "strict", False)
    except UnicodeDecodeError:
        return False
    # One byte at the end, after nothing but ASCII, may be a letter of any encoding.
    return used_bytes == len(payload) or not text.isascii()


def _from_header(content_type: str) -> webencodings.Encoding | None:
    """The encoding that a Content-Type names, if it is a known one."""
    label = media_type(content_type).charset or ""
    # Labels are ASCII; other bytes of a header may be no text at all.
    return webencodings.lookup(label) if label.isascii() else None


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

    Line ends and other controls may stand in its strings: authors paste texts there. Raises
    ValueError, also where it is nested too deeply.
    """
    try:
        value = json.loads(text, strict=False)
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
    """The alt text with mojibake mended (ftfy, as LAION did), invisible characters out and white
    space folded.
    """
    if alt.isascii() and not _MENDED_IN_ASCII.search(alt):
        # in such a text ftfy finds nothing to mend, and takes 30 us for it
        return " ".join(alt.split())
    return mended_caption(alt)


def mended_caption(alt: str) -> str:
    """What `clean_caption` gives for any text."""
    alt = _fewer_marks(_ESCAPES.sub("&amp;", alt))
    mended = without_mojibake(alt)
    folded = " ".join(mended.split())
    visible = _INVISIBLE.sub(r"\1", folded)
    visible = _JOINERS.sub(r"\1", visible)
    # Where something invisible stood between two blanks there are two in a row now.
    return " ".join(visible.split())


def without_mojibake(text: str) -> str:
    """What `ftfy.fix_text` makes of a text, in a third of the time for most texts.

    ftfy takes all its steps one by one, and all of them again until nothing changes. Here what they
    change is looked for in one go. In most texts it is quotation marks or nothing.
    """
    while not _MENDED_LETTERS.search(text) and is_normalized("NFC", text) and not is_bad(text):
        uncurled: str = uncurl_quotes(text)
        if uncurled == text:
            return text
        text = uncurled
    fixed: str = ftfy.fix_text(text)
    return fixed


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
    """Whether an alt text is so long that it would be too long when cleaned, too."""
    return len(alt) > RAW_CHARS * settings.max_chars


def caption_problem(caption: str, settings: CaptionSettings) -> str | None:
    """The reason why a cleaned caption is not taken, if there is one."""
    if len(caption) < settings.min_chars:
        return "caption_too_short"
    if len(caption) > settings.max_chars:
        return "caption_too_long"
    return "caption_undecodable" if REPLACEMENT in caption else None
