"""Undoes transfer codings and content codings of HTTP bodies, in any stacking.

Many crawlers store a body decoded but keep the headers that announce a coding. Therefore a coding
is undone only where the body has it. What cannot be decoded is refused with a reason and never
taken for text.

Sources: RFC 9112, 7 (chunked); RFC 9110, 8.4 (gzip, x-gzip, deflate); RFC 1950 to 1952; RFC 7932
(br); RFC 8878 and 9659 (zstd).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from pairsieve.records.page import Headers
from pairsieve.warc.codecs import (
    GZIP_SIGN,
    GZIP_WINDOW,
    INFLATE_ERRORS,
    ZSTD_SIGN,
    ZSTD_SKIPPABLE,
    inflater,
    zstd_library,
)

# As many as curl undoes (lib/content_encoding.c, MAX_ENCODE_STACK).
MAX_CODINGS = 5
# Bytes that are decompressed at a time where a body is damaged, to lose little before the damage.
STEP_BYTES = 64
# The largest window that RFC 9659 allows, as a power of two: 8 MB.
ZSTD_WINDOW_LOG = 23

_CHUNK = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,12})[ \t]*(?:;[^\r\n]{0,4096})?(\r*\n)")
_LINE_END = re.compile(rb"\r*\n")

# MIME Sniffing standard, 3: "binary data byte". What is looked at is its "resource header", 5.2.
_BINARY = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
LOOKED_AT_BYTES = 1445
# Starts of pictures, and of text in UTF-16, which hold such bytes without any coding.
_PLAIN_SIGNS = (
    b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*", b"\0\0\1\0",
    b"%PDF", b"\xff\xfe", b"\xfe\xff", b"\xff\x0a", b"\0\0\0\x0cJXL ", b"\0\0\0\x0cjP  ",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Body:
    """A body without its codings. It is not `whole` if it ended too early, or is damaged inside.

    `content` is then what stands before that place.
    """

    content: bytes
    whole: bool = True


class Undecodable(ValueError):
    """A body has a coding that cannot be undone. `reason` says which, as `coding_gzip_damaged`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


Decode = Callable[[bytes, int], Body | None]
"""(body, max bytes) -> the decoded body; None if it does not have the coding."""


def decode_body(raw: bytes, headers: Headers, max_bytes: int) -> Body:
    """Undo all codings of a body. At most `max_bytes` come out of each. Raises Undecodable."""
    names = codings_of(headers)
    if not names:
        return Body(raw[:max_bytes])
    if len(names) > MAX_CODINGS:
        raise Undecodable("coding_too_many")
    content, whole = raw, True
    for name in reversed(names):
        body = _undo(name, content, max_bytes)
        content, whole = body.content, whole and body.whole
    return Body(content[:max_bytes], whole)


def decoded(raw: bytes, headers: Headers, max_bytes: int) -> bytes:
    """The content of a decoded body, whole or not. Raises Undecodable."""
    return decode_body(raw, headers, max_bytes).content


def codings_of(headers: Headers) -> list[str]:
    """The codings that the headers announce, in the order in which they were applied."""
    content_codings, transfer_codings = list[str](), list[str]()
    for name, value in headers:
        # Few headers have such a length, so few names are put in lower case.
        if len(name) == len("content-encoding") and name.lower() == "content-encoding":
            content_codings += value.lower().split(",")
        elif len(name) == len("transfer-encoding") and name.lower() == "transfer-encoding":
            transfer_codings += value.lower().split(",")
    if not (content_codings or transfer_codings):
        return []
    stripped = [
        name.partition(";")[0].strip(" \t\"'") for name in content_codings + transfer_codings
    ]
    return [name for name in stripped if name not in NO_CODINGS]


# Values that announce nothing. Servers write all of these.
NO_CODINGS = ("", "identity", "none", "utf-8", "utf8", "binary", "8bit", "7bit")


def _undo(name: str, raw: bytes, max_bytes: int) -> Body:
    if not raw:
        return Body(raw)
    decode = DECODERS.get(name)
    if decode is None:
        if is_plain(raw):
            return Body(raw)
        raise Undecodable("coding_unknown")
    body = decode(raw, max_bytes)
    return Body(raw) if body is None else body


def is_plain(raw: bytes) -> bool:
    """Whether bytes look like text or a picture, and not like something compressed."""
    if raw.startswith(_PLAIN_SIGNS) or raw[4:8] == b"ftyp":
        return True
    return _BINARY.search(raw, 0, LOOKED_AT_BYTES) is None


def _check_is_plain(raw: bytes, coding: str) -> None:
    """Raise Undecodable if a body that cannot be decoded is compressed, by the look of it.

    Else its coding was only announced.
    """
    if not is_plain(raw):
        raise Undecodable(f"coding_{coding}_damaged")


def _dechunked(raw: bytes, max_bytes: int) -> Body | None:
    size_line = _CHUNK.match(raw)
    if size_line is None or not _is_first_chunk(raw, size_line):
        return None
    pieces = list[bytes]()
    length = 0
    while size_line is not None and length < max_bytes:
        start = size_line.end()
        size = int(size_line[1], 16)
        if size == 0:
            return Body(b"".join(pieces))
        pieces.append(raw[start : start + size])
        length += size
        end = start + size
        line_end = _LINE_END.match(raw, end)
        if line_end:
            end = line_end.end()
        size_line = _CHUNK.match(raw, end)
    # Chunks end too early, or go on with something else. Browsers show what came before.
    return Body(b"".join(pieces)[:max_bytes], whole=False)


def _is_first_chunk(raw: bytes, size_line: re.Match[bytes]) -> bool:
    """Whether a line is the size of a chunk, and no text that happens to be a number."""
    end = size_line.end() + int(size_line[1], 16)
    if end < len(raw):
        return _LINE_END.match(raw, end) is not None
    # The body ends inside its first chunk. Then only the line end can tell.
    return size_line[2] == b"\r\n"


def _gunzipped(raw: bytes, max_bytes: int) -> Body | None:
    """Members one after the other (RFC 1952, 2.2). What follows the last one is left out."""
    if not raw.startswith(GZIP_SIGN):
        _check_is_plain(raw, "gzip")
        return None
    content, whole, rest = b"", True, raw
    while rest.startswith(GZIP_SIGN) and whole and len(content) < max_bytes:
        more, rest, whole = _inflated(rest, GZIP_WINDOW, max_bytes - len(content))
        content += more
    if not content and not whole:
        raise Undecodable("coding_gzip_damaged")
    return Body(content, whole)


def _inflated(raw: bytes, window_bits: int, max_bytes: int) -> tuple[bytes, bytes, bool]:
    """(content, bytes behind it, whether it is whole) of one deflate stream."""
    inflate = inflater(window_bits)
    try:
        content = inflate.decompress(raw, max_bytes)
    except INFLATE_ERRORS:
        return _inflated_up_to_damage(raw, window_bits, max_bytes), b"", False
    is_whole = inflate.eof or len(content) == max_bytes
    return content, inflate.unused_data, is_whole


def _inflated_up_to_damage(raw: bytes, window_bits: int, max_bytes: int) -> bytes:
    """Inflate in small steps, because one that fails gives nothing of what it has inflated."""
    inflate = inflater(window_bits)
    content = bytearray()
    for start in range(0, len(raw), STEP_BYTES):
        if len(content) >= max_bytes:
            break
        try:
            content += inflate.decompress(raw[start : start + STEP_BYTES])
        except INFLATE_ERRORS:
            break
    return bytes(content[:max_bytes])


def _undeflated(raw: bytes, max_bytes: int) -> Body | None:
    """With zlib's header, as RFC 9110 says, or without, as many servers send it."""
    if len(raw) > 1 and raw[0] & 0x0F == zlib.DEFLATED and (raw[0] << 8 | raw[1]) % 31 == 0:
        content, _, whole = _inflated(raw, zlib.MAX_WBITS, max_bytes)
        if content or whole:
            return Body(content, whole)
    try:
        inflate = inflater(-zlib.MAX_WBITS)
        content = inflate.decompress(raw, max_bytes)
    except INFLATE_ERRORS:
        _check_is_plain(raw, "deflate")
        return None
    whole = inflate.eof or len(content) == max_bytes
    # Nothing marks a deflate stream. Text that inflates without an error does not end as one.
    if whole or (content and not is_plain(raw)):
        return Body(content, whole)
    _check_is_plain(raw, "deflate")
    return None


def _unbrotlied(raw: bytes, max_bytes: int) -> Body | None:
    import brotli

    decompressor = brotli.Decompressor()
    pieces = list[bytes]()
    length = 0
    data = raw
    try:
        while length < max_bytes and not decompressor.is_finished():
            piece = decompressor.process(data, output_buffer_limit=max_bytes - length)
            if not piece and decompressor.can_accept_more_data():
                break
            pieces.append(piece)
            length += len(piece)
            data = b""
    except brotli.error:
        if is_plain(raw) or not pieces:
            _check_is_plain(raw, "br")
            return None
    content = b"".join(pieces)
    whole = decompressor.is_finished() or length >= max_bytes
    # Nothing marks a brotli stream either.
    if whole or (content and not is_plain(raw)):
        return Body(content[:max_bytes], whole)
    _check_is_plain(raw, "br")
    return None


def _unzstd(raw: bytes, max_bytes: int) -> Body | None:
    """Frames one after the other; skippable frames (RFC 8878, 3.1.2) are passed over."""
    if not (raw.startswith(ZSTD_SIGN) or ZSTD_SKIPPABLE.match(raw)):
        _check_is_plain(raw, "zstd")
        return None
    zstd = zstd_library()
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG}
    content, rest, whole = bytearray(), raw, True
    while (rest.startswith(ZSTD_SIGN) or ZSTD_SKIPPABLE.match(rest)) and len(content) < max_bytes:
        decompressor = zstd.ZstdDecompressor(options=options)
        try:
            while not decompressor.eof and len(content) < max_bytes:
                content += decompressor.decompress(rest, max_bytes - len(content))
                if decompressor.needs_input:
                    break
                rest = b""
        except zstd.ZstdError:
            whole = False
            break
        whole = decompressor.eof or len(content) >= max_bytes
        rest = decompressor.unused_data
    if not content and not whole:
        raise Undecodable("coding_zstd_damaged")
    return Body(bytes(content), whole)


DECODERS: dict[str, Decode] = {
    "chunked": _dechunked,
    "gzip": _gunzipped,
    "x-gzip": _gunzipped,
    "deflate": _undeflated,
    "x-deflate": _undeflated,
    "br": _unbrotlied,
    "zstd": _unzstd,
}
