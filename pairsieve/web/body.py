"""Bodies of answers, read to their end: however they are cut into segments, within a limit, whole
or not at all.
"""

from __future__ import annotations

import aiohttp

from pairsieve.web.encodings import encoding_of
from pairsieve.web.refusals import Refused

CHUNK_BYTES = 64 * 1024


async def whole_body(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """The body after any content encoding. Raises Refused as soon as it grows over the limit,
    aiohttp.ClientError where it ends before its length or its last chunk.
    """
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
    """The text of a small file; what cannot be decoded is replaced."""
    return body.decode(encoding_of(body), "replace")
