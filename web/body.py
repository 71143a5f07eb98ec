"""Bodies of answers, read to their end: however they are cut into segments, within a limit, whole or not at all."""

from __future__ import annotations

import codecs

import aiohttp

from web.refusals import Refused

CHUNK_BYTES = 64 * 1024
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


async def whole_body(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """The body after any content encoding. Raises Refused as soon as it grows over the limit, aiohttp.ClientError where it ends
    before its length or its last chunk."""
    if (response.content_length or 0) > max_bytes:
        raise Refused("too_large", response.status)
    pieces, size = [], 0
    async for piece in response.content.iter_chunked(CHUNK_BYTES):
        size += len(piece)
        if size > max_bytes:
            raise Refused("too_large", response.status)
        pieces.append(piece)
    return b"".join(pieces)


def text_of(body: bytes) -> str:
    """A small text file: by its byte order mark, as UTF-16 where every other byte is nought, else UTF-8."""
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return body.removeprefix(mark).decode(encoding, "replace")
    if body[1:8:2] == bytes(4)[: len(body[1:8:2])] and len(body) > 1:
        return body.decode("utf-16-le", "replace")
    if body[0:8:2] == bytes(4)[: len(body[0:8:2])] and len(body) > 1:
        return body.decode("utf-16-be", "replace")
    return body.decode("utf-8", "replace")
