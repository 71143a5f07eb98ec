"""Reads an answer: its headers, and its body to its end.

The body is read within a limit, and a partial body is never returned.
"""

from __future__ import annotations

from itertools import chain

import aiohttp

from pairsieve.records.page import Headers
from pairsieve.web.encodings import encoding_of
from pairsieve.web.refusals import Refused
from pairsieve.web.text import storable

CHUNK_BYTES = 64 * 1024


def headers_of(response: aiohttp.ClientResponse) -> Headers:
    """Return the headers as valid text, because they become evidence."""
    headers = tuple(response.headers.items())
    # Nearly all answers have nothing but ASCII there, and one look at all of it is quicker.
    if "".join(chain.from_iterable(headers)).isascii():
        return headers
    return tuple((storable(name), storable(value)) for name, value in headers)


async def whole_body(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """Return the body after any content encoding has been undone.

    Raises Refused as soon as the body grows over the limit, and aiohttp.ClientError where it ends
    before its length or its last chunk.
    """
    # A server may announce a length, but it need not be true.
    if (response.content_length or 0) > max_bytes:
        raise Refused("too_large", response.status)
    chunks = []
    size = 0
    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
        size += len(chunk)
        if size > max_bytes:
            raise Refused("too_large", response.status)
        chunks.append(chunk)
    return b"".join(chunks)


def text_of(body: bytes) -> str:
    """Decode a small file; bytes that cannot be decoded are replaced."""
    return body.decode(encoding_of(body), "replace")
