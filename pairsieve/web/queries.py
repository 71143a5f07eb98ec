"""Queries of URLs in the encoding of the page that names them.

A browser sends `<img src="a.php?f=사진">` of a page in EUC-KR as `?f=%BB%E7%C1%F8` (URL Standard,
4.4, "query state"; all else in a URL is UTF-8). The encoders are those of the Encoding Standard:
each is what its decoder reads, turned round, where the standard does not say otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache

import webencodings

from pairsieve.web.charsets import REPLACEMENT, decode

# URL Standard, 1.3: the special-query percent-encode set, for what an encoder gives
_ESCAPED = frozenset(b"\"#<>'") | frozenset(range(0x21)) | frozenset(range(0x7F, 0x100))
# Encoding Standard, 4.3, "get an output encoding"
_WRITTEN_IN_UTF_8 = ("utf-8", "utf-16le", "utf-16be", "replacement")
_SECOND_BYTES = range(0x40, 0xFF)
# Encoding Standard, 5, "index Big5 pointer": the codes of Hong Kong are only read, and of these
# characters the second code is written.
_BIG5_WRITTEN = range(0xA1, 0xFF)
_BIG5_LAST = frozenset("═╞╡╪十卅")
# The same, "index Shift_JIS pointer": NEC's selection of IBM's characters is only read, as are the
# private ones.
_SHIFT_JIS_WRITTEN = (*range(0x81, 0xA0), *range(0xE0, 0xED), *range(0xFA, 0xFD))
_ROMAN = {"¥": b"\x5c", "‾": b"\x7e"}  # as Japanese encodings write them
_MINUS, _FULLWIDTH_MINUS = "−", "－"
_KATAKANA = {chr(0xFF61 + byte - 0xA1): byte for byte in range(0xA1, 0xE0)}  # half-width ones


def in_encoding_of_page(encoding: webencodings.Encoding) -> Callable[[str], str] | None:
    """The function that escapes the query of a reference; None where the URL Standard's own
    encoding, UTF-8, is right.
    """
    name = encoding.name
    if name in _WRITTEN_IN_UTF_8:
        return None

    def escape(reference: str) -> str:
        if reference.isascii():
            return reference
        before_fragment, mark, fragment = reference.partition("#")
        path, question, query = before_fragment.partition("?")
        return f"{path}{question}{escaped_query(query, name)}{mark}{fragment}"

    return escape


def escaped_query(query: str, name: str) -> str:
    """A query in which what is not ASCII is escaped in an encoding; what the encoding lacks becomes
    `&#...;`, escaped (URL Standard, "percent-encode after encoding").
    """
    if query.isascii():
        return query
    pieces = _iso_2022_jp(query) if name == "iso-2022-jp" else _pieces(query, name)
    return "".join(pieces)


def _pieces(query: str, name: str) -> Iterator[str]:
    codes = _codes(name)
    for character in query:
        if character.isascii():
            yield character
        else:
            code = codes.get(character) or _code_of_four(character, name)
            yield _escaped(code) if code else _missing(character)


def _escaped(code: bytes) -> str:
    return "".join(f"%{byte:02X}" if byte in _ESCAPED else chr(byte) for byte in code)


def _missing(character: str) -> str:
    return f"%26%23{ord(character)}%3B"


@cache  # there are some forty encodings, and one of two bytes takes 40 ms
def _codes(name: str) -> Mapping[str, bytes]:
    """Character -> the bytes of one or two that an encoding writes it with."""
    encoding = webencodings.lookup(name)
    codes: dict[str, bytes] = {}
    for code in _written(name):
        character = decode(code, encoding)
        if len(character) == 1 and character != REPLACEMENT:
            if name == "big5" and character in _BIG5_LAST:
                codes[character] = code
            codes.setdefault(character, code)
    if name == "gbk":
        codes["€"] = b"\x80"
    if name in ("euc-jp", "shift_jis"):
        codes |= _ROMAN
        codes[_MINUS] = codes[_FULLWIDTH_MINUS]
    return codes


def _written(name: str) -> Iterator[bytes]:
    """The codes that an encoding writes, in the order of the standard's index."""
    if name not in ("big5", "euc-jp", "euc-kr", "gb18030", "gbk", "shift_jis"):
        yield from (bytes([byte]) for byte in range(0x80, 0x100))
        return
    if name == "shift_jis":
        yield from (bytes([byte]) for byte in (0x80, *_KATAKANA.values()))
    if name == "euc-jp":
        yield from (bytes([0x8E, byte]) for byte in _KATAKANA.values())
    leads = {"big5": _BIG5_WRITTEN, "euc-jp": range(0xA1, 0xFF), "shift_jis": _SHIFT_JIS_WRITTEN}
    for lead in leads.get(name, range(0x81, 0xFF)):
        yield from (bytes([lead, byte]) for byte in _SECOND_BYTES)


def _code_of_four(character: str, name: str) -> bytes | None:
    """The four bytes that GB18030 has for all other characters."""
    return character.encode("gb18030", "replace") if name == "gb18030" else None


def _iso_2022_jp(query: str) -> Iterator[str]:
    """Encoding Standard, 12.2.2: each escape sequence sets what the bytes behind it mean."""
    euc_jp, state = _codes("euc-jp"), b"(B"
    for character in query:
        wanted, code = _code_of_jis(character, euc_jp)
        if code is None:
            wanted = b"(B" if state == b"$B" else state
        if wanted != state and not (state == b"(J" and wanted == b"(B" and character not in "\\~"):
            state = wanted
            yield _escaped(b"\x1b" + state)
        if code is None:
            yield _missing(character)
        else:
            yield character if character.isascii() else _escaped(code)
    if state != b"(B":
        yield _escaped(b"\x1b(B")


def _code_of_jis(character: str, euc_jp: Mapping[str, bytes]) -> tuple[bytes, bytes | None]:
    """The escape sequence behind which a character can be written, and its bytes."""
    if character.isascii():
        return b"(B", character.encode()
    if character in _ROMAN:
        return b"(J", _ROMAN[character]
    if character in _KATAKANA:  # written as full-width ones
        character = _FULL_KATAKANA[character]
    code = euc_jp.get(character)
    if code is None or code[0] == 0x8E:
        return b"$B", None
    return b"$B", bytes(byte & 0x7F for byte in code)


# Encoding Standard, index ISO-2022-JP katakana
_FULL_KATAKANA = dict(
    zip(
        _KATAKANA,
        "。「」、・ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテトナニヌネノ"
        "ハヒフヘホマミムメモヤユヨラリルレロワン゛゜",
        strict=True,
    )
)
