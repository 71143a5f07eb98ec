"""The encoding of small text files that anybody wrote: sites' files, lists, requests."""

from __future__ import annotations

from codecs import BOM_UTF16_BE, BOM_UTF16_LE

LOOKED_AT_BYTES = 8


def encoding_of(content: bytes) -> str:
    """Python's name of the encoding: by the byte order mark, as UTF-16 where every other byte is
    zero, else UTF-8.

    The codecs named here take the byte order mark off.
    """
    if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return "utf-16"
    first, second = content[0:LOOKED_AT_BYTES:2], content[1:LOOKED_AT_BYTES:2]
    if any(first) and second and not any(second):
        return "utf-16-le"
    if any(second) and not any(first):
        return "utf-16-be"
    return "utf-8-sig"
