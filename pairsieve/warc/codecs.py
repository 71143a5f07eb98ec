"""Compressions of archives: gzip, zstd with or without a dictionary, and LZ4.

Formats: RFC 1952; RFC 8878, with the dictionary of
https://iipc.github.io/warc-specifications/specifications/warc-zstd/; LZ4 frames
(https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md).
"""

from __future__ import annotations

import re
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from types import ModuleType
from typing import Literal, Protocol, cast

from pairsieve.storage.files import Stream

try:
    from isal import isal_zlib
except ImportError:
    isal_zlib = None  # type: ignore[assignment]

CodecName = Literal["gzip", "zstd", "lz4"]

GZIP_SIGN = b"\x1f\x8b"
ZSTD_SIGN = b"\x28\xb5\x2f\xfd"
LZ4_SIGN = b"\x04\x22\x4d\x18"
ZSTD_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
# A skippable frame of this number holds the dictionary of all other frames.
DICTIONARY_SIGN = b"\x5d\x2a\x4d\x18"
SIGN_BYTES = 4

GZIP_WINDOW = 16 + zlib.MAX_WBITS
INFLATE_ERRORS: tuple[type[Exception], ...] = (zlib.error, getattr(isal_zlib, "error", zlib.error))
# A dictionary is about 100 KB. A larger one is not read.
MAX_DICTIONARY_BYTES = 16 << 20


class Inflate(Protocol):
    """The methods of a decompressor that zlib and ISA-L both have.

    Those of zstd and LZ4 have `needs_input` instead of `unconsumed_tail`, like bz2 and lzma.
    """

    eof: bool
    unused_data: bytes

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


# ISA-L inflates in half the time. It has no wheels for some platforms; zlib gives the same bytes.
_fastest_zlib = isal_zlib or zlib
inflater = cast(Callable[[int], Inflate], _fastest_zlib.decompressobj)


@dataclass(frozen=True)
class Codec:
    """How the members of an archive are compressed.

    `sign` matches the start of a member, `new` makes a decompressor for one, which raises one of
    `errors`.
    """

    name: CodecName
    sign: re.Pattern[bytes]
    new: Callable[[], Inflate]
    errors: tuple[type[Exception], ...]


# Deflate, and no reserved flag.
GZIP = Codec(
    "gzip", re.compile(rb"\x1f\x8b\x08[\x00-\x1f]"), partial(inflater, GZIP_WINDOW), INFLATE_ERRORS
)


def codec_name(start: bytes) -> CodecName | None:
    """The codec of a file, by its first bytes; None if it is not compressed."""
    if start.startswith(GZIP_SIGN):
        return "gzip"
    if start.startswith(ZSTD_SIGN) or ZSTD_SKIPPABLE.match(start):
        return "zstd"
    return "lz4" if start.startswith(LZ4_SIGN) else None


def codec_of(stream: Stream, archive_start: int = 0) -> Codec | None:
    """The codec of the archive that begins at an offset, with its dictionary if it has one.

    None if it is not compressed. Raises ValueError for a dictionary that cannot be used.
    """
    stream.seek(archive_start)
    name = codec_name(stream.read(SIGN_BYTES))
    if name == "zstd":
        return _zstd(_read_dictionary(stream, archive_start))
    if name == "lz4":
        return _lz4()
    return GZIP if name == "gzip" else None


def zstd_library() -> ModuleType:
    """The module of the standard library, or the same one for older versions of Python."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def _lz4() -> Codec:
    from lz4.frame import LZ4FrameDecompressor

    return Codec(
        "lz4", re.compile(re.escape(LZ4_SIGN)), LZ4FrameDecompressor, (RuntimeError, EOFError)
    )


@lru_cache(4)
def _zstd(dictionary: bytes) -> Codec:
    zstd = zstd_library()
    zstd_dict = None
    if dictionary:
        try:
            zstd_dict = zstd.ZstdDict(dictionary, is_raw=False)
        except (ValueError, zstd.ZstdError):
            raise ValueError("the zstd dictionary cannot be used") from None
    new = cast(Callable[[], Inflate], partial(zstd.ZstdDecompressor, zstd_dict=zstd_dict))
    return Codec("zstd", re.compile(re.escape(ZSTD_SIGN)), new, (zstd.ZstdError, EOFError))


def _read_dictionary(stream: Stream, archive_start: int) -> bytes:
    """The dictionary in the first frame of an archive; empty if there is none."""
    stream.seek(archive_start)
    if stream.read(SIGN_BYTES) != DICTIONARY_SIGN:
        return b""
    size = int.from_bytes(stream.read(4), "little")
    if size > MAX_DICTIONARY_BYTES:
        raise ValueError("the zstd dictionary is too large")
    dictionary = stream.read(size)
    # It may be compressed itself, with zstd and without a dictionary.
    if not dictionary.startswith(ZSTD_SIGN):
        return dictionary
    decompressor = _zstd(b"").new()
    try:
        return decompressor.decompress(dictionary, MAX_DICTIONARY_BYTES)
    except _zstd(b"").errors:
        raise ValueError("the zstd dictionary cannot be decompressed") from None
