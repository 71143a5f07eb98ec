"""WARC files for tests, built record by record."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

DATE = "2026-01-02T03:04:05Z"


def response(
    url: str,
    body: bytes,
    *,
    kind: str = "text/html",
    status: str = "200 OK",
    headers: Sequence[tuple[str, str]] = (),
) -> bytes:
    """One response record as its own gzip member."""
    buffer = io.BytesIO()
    writer = WARCWriter(buffer, gzip=True)
    http = StatusAndHeaders(status, [("Content-Type", kind), *headers], protocol="HTTP/1.1")
    record = writer.create_warc_record(
        url,
        "response",
        payload=io.BytesIO(body),
        http_headers=http,
        warc_headers_dict={"WARC-Date": DATE},
    )
    writer.write_record(record)
    return buffer.getvalue()


def page(
    url: str = "https://a.example/", body: str = "<img src=/b.jpg alt='a red star'>", **options: Any
) -> bytes:
    return response(url, body.encode(), **options)


def plain(*members: bytes) -> bytes:
    """The same records without compression."""
    return b"".join(gzip.decompress(member) for member in members)


def cdxj(places: Iterable[tuple[str, int, int]]) -> bytes:
    """An index in CDXJ that names (file, offset, length)."""
    lines = [
        f"example)/ 2026 {json.dumps({'url': 'u', 'filename': f, 'offset': str(o), 'length': str(n)})}\n"
        for f, o, n in places
    ]
    return "".join(lines).encode()


def nested(*members: bytes) -> bytes:
    """A record whose payload is an archive of its own, stored so that its bytes stand in the file
    as they are.
    """
    outer = plain(
        response(
            "https://outer.example/x.warc.gz", b"".join(members), kind="application/octet-stream"
        )
    )
    stored = zlib.compressobj(0, zlib.DEFLATED, 31)
    return stored.compress(outer) + stored.flush()
