"""Decoders of the Encoding Standard (encoding.spec.whatwg.org), on top of Python's codecs.

Python has a codec for each encoding of the standard, but 900 of their characters differ, and so
does what becomes of invalid bytes. Each difference is of one of four kinds:

- Bytes that Python does not know: an error handler reads them as the standard does, one code at a
  time. Python's codecs stay fast on everything else.
- Another character, which the standard gives to no other bytes: it is replaced after decoding.
- Another character, which other bytes mean too (`ambiguous`): the text is cut at such bytes.
- ISO-2022-JP, whose codec knows other escape sequences: it is read here.

Characters that follow from no rule are listed in charset_corrections.tsv.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import webencodings

REPLACEMENT = "\ufffd"
CORRECTIONS_FILE = Path(__file__).with_name("charset_corrections.tsv")
_LAST_ASCII = 0x7F

ReadCode = Callable[[bytes, int], tuple[str, int]]
"""(bytes, where a code begins that Python's codec does not know) -> (its text, where the next code
begins, which may be behind the end).
"""


def decode(payload: bytes, encoding: webencodings.Encoding) -> str:
    """The text of bytes in an encoding; invalid ones become U+FFFD. A byte order mark is kept."""
    name = encoding.name
    if name == "iso-2022-jp":
        return _decode_iso_2022_jp(payload)
    if name == "replacement":  # one error for the whole stream: no text is safe to show
        return REPLACEMENT if payload else ""
    if name == "gbk":  # differs from gb18030 in what it encodes, not in what it decodes
        name = "gb18030"
    if name in _READ_CODE:
        return _decode_multibyte(payload, _multibyte(name))
    if name in ("utf-8", "utf-16le", "utf-16be"):
        return payload.decode(encoding.codec_info.name, "replace")
    return codecs.charmap_decode(payload, "replace", _single_byte(name))[0]


@lru_cache(1)
def _corrections() -> Mapping[str, Mapping[bytes, str]]:
    """Encoding -> bytes -> characters, from the file."""
    corrections: dict[str, dict[bytes, str]] = {}
    for line in CORRECTIONS_FILE.read_text("ascii").splitlines():
        if not line.startswith("#"):
            name, code, points = line.split("\t")
            text = "".join(chr(int(point, 16)) for point in points.split())
            corrections.setdefault(name, {})[bytes.fromhex(code)] = text
    return corrections


@lru_cache(64)
def _single_byte(name: str) -> str:
    """The character of each byte. U+FFFE marks bytes that have none (codecs.charmap_decode)."""
    codec = webencodings.lookup(name).codec_info
    corrections = _corrections().get(name, {})
    table = []
    for value in range(256):
        code = bytes([value])
        character = corrections.get(code) or codec.decode(code, "replace")[0]
        # The standard maps what Windows leaves undefined among the C1 controls to these controls.
        is_control = 0x80 <= value <= 0x9F and character == REPLACEMENT
        if is_control:
            table.append(chr(value))
        else:
            table.append(character.replace(REPLACEMENT, "\ufffe"))
    return "".join(table)


@dataclass(frozen=True)
class _Multibyte:
    """How one encoding is decoded: Python's codec and error handler, and what is put right."""

    codec: str
    errors: str
    replaced: Mapping[str, str]
    ambiguous: Mapping[bytes, str]
    code: re.Pattern[bytes]


@lru_cache(8)
def _multibyte(name: str) -> _Multibyte:
    """The decoder of one encoding. Its error handler is registered with Python here."""
    codec, replaced, ambiguous, code = _CODECS[name]
    read_code = _READ_CODE[name]

    def on_error(error: UnicodeError) -> tuple[str | bytes, int]:
        assert isinstance(error, UnicodeDecodeError)
        text, end = read_code(error.object, error.start)
        return text, min(end, len(error.object))

    errors = f"pairsieve-{name}"
    codecs.register_error(errors, on_error)
    corrections = _corrections().get(name, {})
    wrong = {
        code.decode(codec): text
        for code, text in corrections.items()
        if code not in ambiguous and _is_known(code, codec)
    }
    return _Multibyte(
        codec,
        errors,
        {**wrong, **replaced},
        {code: corrections[code] for code in ambiguous},
        code,
    )


def _is_known(code: bytes, codec: str) -> bool:
    try:
        code.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def _decode_multibyte(payload: bytes, how: _Multibyte) -> str:
    if not any(code in payload for code in how.ambiguous):
        return _decode_unambiguous(payload, how)
    parts, start = list[str](), 0
    for found in how.code.finditer(payload):
        if found[0] in how.ambiguous:
            parts.append(_decode_unambiguous(payload[start : found.start()], how))
            parts.append(how.ambiguous[found[0]])
            start = found.end()
    parts.append(_decode_unambiguous(payload[start:], how))
    return "".join(parts)


def _decode_unambiguous(payload: bytes, how: _Multibyte) -> str:
    text = payload.decode(how.codec, how.errors)
    # Looking for each is a hundred times faster than `translate`, and few pages have any.
    if any(character in text for character in how.replaced):
        return text.translate({ord(character): right for character, right in how.replaced.items()})
    return text


def _invalid_pair(payload: bytes, at: int) -> tuple[str, int]:
    """What two bytes without a character become: an ASCII byte behind a lead is read again."""
    is_read_again = at + 1 < len(payload) and payload[at + 1] <= _LAST_ASCII
    return REPLACEMENT, at + (1 if is_read_again else 2)


def _read_big5(payload: bytes, at: int) -> tuple[str, int]:
    text = _corrections()["big5"].get(payload[at : at + 2])
    if text:
        return text, at + 2
    is_lead = 0x81 <= payload[at] <= 0xFE
    return _invalid_pair(payload, at) if is_lead else (REPLACEMENT, at + 1)


def _read_euc_kr(payload: bytes, at: int) -> tuple[str, int]:
    is_lead = 0x81 <= payload[at] <= 0xFE
    return _invalid_pair(payload, at) if is_lead else (REPLACEMENT, at + 1)


def _read_shift_jis(payload: bytes, at: int) -> tuple[str, int]:
    lead = payload[at]
    is_lead = 0x81 <= lead <= 0x9F or 0xE0 <= lead <= 0xFC
    return _invalid_pair(payload, at) if is_lead else (REPLACEMENT, at + 1)


def _read_euc_jp(payload: bytes, at: int) -> tuple[str, int]:
    lead = payload[at]
    if lead == 0x8F and 0xA1 <= payload[min(at + 1, len(payload) - 1)] <= 0xFE:
        return _invalid_pair(payload, at + 1)  # three bytes of JIS X 0212
    if lead not in (0x8E, 0x8F) and not 0xA1 <= lead <= 0xFE:
        return REPLACEMENT, at + 1
    text = _jis0208(payload[at : at + 2])
    return (text, at + 2) if text else _invalid_pair(payload, at)


def _jis0208(code: bytes) -> str:
    """The character of two EUC-JP bytes, by the same pointer in Shift_JIS.

    Python's codec of Windows-31J has the rows of NEC and IBM that the one of EUC-JP lacks.
    """
    if len(code) != 2 or not all(0xA1 <= byte <= 0xFE for byte in code):
        return ""
    lead, trail = divmod((code[0] - 0xA1) * 94 + code[1] - 0xA1, 188)
    shifted = bytes(
        [
            lead + (0x81 if lead < 0x1F else 0xC1),
            trail + (0x40 if trail < 0x3F else 0x41),
        ]
    )
    return shifted.decode("cp932") if _is_known(shifted, "cp932") else ""


def _read_gb18030(payload: bytes, at: int) -> tuple[str, int]:
    lead = payload[at]
    if lead == 0x80:
        return "€", at + 1
    if lead == 0xFF:
        return REPLACEMENT, at + 1
    rest = payload[at + 1 : at + 4]
    if not rest or not 0x30 <= rest[0] <= 0x39:
        return _invalid_pair(payload, at)
    is_third = len(rest) == 1 or 0x81 <= rest[1] <= 0xFE
    is_fourth = len(rest) < 3 or 0x30 <= rest[2] <= 0x39
    # Four bytes without a character are one error, and so is what the end of the stream cuts off.
    # Of others the first is: the digit behind it is read again.
    return REPLACEMENT, at + 4 if is_third and is_fourth else at + 1


_READ_CODE: Mapping[str, ReadCode] = {
    "big5": _read_big5,
    "euc-jp": _read_euc_jp,
    "euc-kr": _read_euc_kr,
    "gb18030": _read_gb18030,
    "shift_jis": _read_shift_jis,
}
_PAIR = re.compile(rb"[\x81-\xfe][\x00-\xff]")
_EUC_JP_CODE = re.compile(rb"\x8f[\xa1-\xfe][\x00-\xff]|[\x8e\x8f\xa1-\xfe][\x00-\xff]")
_CODECS: Mapping[str, tuple[str, Mapping[str, str], tuple[bytes, ...], re.Pattern[bytes]]] = {
    "big5": ("big5hkscs", {}, (b"\xa2\x41", b"\xa2\x42"), _PAIR),
    "euc-jp": ("euc_jp", {}, (b"\x8f\xa2\xb7",), _EUC_JP_CODE),
    "euc-kr": ("cp949", {}, (), _PAIR),
    "gb18030": ("gb18030", {}, (), _PAIR),
    # single bytes of Apple's and IBM's, which Windows maps to the private use area
    "shift_jis": ("cp932", dict.fromkeys("\xa0\uf8f0\uf8f1\uf8f2\uf8f3", REPLACEMENT), (), _PAIR),
}

_ESCAPES = {b"(B": "ascii", b"(J": "roman", b"(I": "katakana", b"$@": "jis0208", b"$B": "jis0208"}
_NOT_TEXT = re.compile(rb"[\x0e\x0f\x80-\xff]")
_NOT_KATAKANA = re.compile(rb"[^\x21-\x5f]")
_JIS_RUN = re.compile(rb"([\x21-\x7e]+)|[^\x21-\x7e]")
_TO_EUC = bytes(value | 0x80 for value in range(256))
_ROMAN = {0x5C: "¥", 0x7E: "‾"}
_KATAKANA = {value: chr(0xFF61 - 0x21 + value) for value in range(0x21, 0x60)}
_ESC = b"\x1b"


def _decode_iso_2022_jp(payload: bytes) -> str:
    """Encoding Standard, 12.2.1: text between escape sequences, each of which sets what follows."""
    first, *others = payload.split(_ESC)
    state, parts, has_output = "ascii", [_iso_2022_jp_text(first, "ascii")], True
    for other in others:
        escaped = _ESCAPES.get(other[:2])
        if escaped is None:  # the escape byte is an error, and what follows is text
            parts.append(REPLACEMENT + _iso_2022_jp_text(other, state))
            has_output = True
            continue
        # An escape sequence right behind another is an error: it would hide the first.
        if not has_output:
            parts.append(REPLACEMENT)
        state = escaped
        parts.append(_iso_2022_jp_text(other[2:], state))
        has_output = len(other) > 2
    return "".join(parts)


def _iso_2022_jp_text(content: bytes, state: str) -> str:
    """Bytes without escape sequences, in one of the standard's states."""
    if state == "jis0208":
        return _iso_2022_jp_pairs(content)
    if state == "katakana":
        # what is no katakana is put to where `translate` maps nothing
        marked = _NOT_KATAKANA.sub(b"\xff", content).decode("latin-1")
        return marked.translate(_KATAKANA | {0xFF: REPLACEMENT})
    text = _NOT_TEXT.sub(b"\xff", content).decode("latin-1").replace("\xff", REPLACEMENT)
    return text.translate(_ROMAN) if state == "roman" else text


def _iso_2022_jp_pairs(content: bytes) -> str:
    euc_jp = _multibyte("euc-jp")
    parts, has_lead = list[str](), False
    for found in _JIS_RUN.finditer(content):
        run = found[1]
        if run is None:  # an error, together with the lead before it if there is one
            parts.append(REPLACEMENT)
            has_lead = False
            continue
        has_lead = len(run) % 2 == 1
        pairs = run[:-1] if has_lead else run
        parts.append(_decode_multibyte(pairs.translate(_TO_EUC), euc_jp))
    if has_lead:
        parts.append(REPLACEMENT)
    return "".join(parts)
