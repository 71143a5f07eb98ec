"""WAT records and files for tests."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

from warcio.warcwriter import WARCWriter

BY = "https://creativecommons.org/licenses/by/4.0/"


HTML = {
    "Head": {
        "Base": "https://cdn.example/",
        "Title": "A <b> & c",
        "Metas": [
            {"name": "robots", "content": "NoAI"},
            {"http-equiv": "Content-Type", "content": "text/html; charset=latin-1"},
            {"x y": "\"'>"},
        ],
        "Link": [{"path": "LINK@/href", "rel": "license", "url": BY}],
    },
    "Links": [
        {"path": "IMG@/src", "url": "1.jpg?a=1&amp;b=2", "alt": 'größe "in" <em> &amp; &#233;'},
        {"path": "IMG@/src", "url": "2.jpg"},
        {"path": "A@/href", "url": "/about", "text": "about"},
        {"path": "IMG@/src", "alt": "no url"},
        {"path": "IMG@/longdesc", "url": "x"},
    ],
}


def envelope(
    html: Mapping[str, Any] | None = HTML,
    status: str = "200",
    kind: str = "response",
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What a WAT record tells of one response."""
    http: dict[str, Any] = {
        "Headers": headers
        or {"Content-Type": "text/html; charset=latin-1", "tdm-reservation": "1"},
        "Response-Message": {"Status": status},
    }
    if html is not None:
        http["HTML-Metadata"] = html
    warc = {
        "WARC-Type": kind,
        "WARC-Date": "T",
        "WARC-Payload-Digest": "sha1:D",
        "WARC-Record-ID": "<urn:1>",
    }
    return {
        "Container": {"Filename": "crawl.warc.gz", "Offset": "123"},
        "Envelope": {
            "WARC-Header-Metadata": warc,
            "Payload-Metadata": {"HTTP-Response-Metadata": http},
        },
    }


def wat_file(*tolds: Mapping[str, Any] | bytes) -> bytes:
    """A WAT file of these records."""
    buffer = io.BytesIO()
    writer = WARCWriter(buffer, gzip=True)
    for told in tolds:
        payload = io.BytesIO(told if isinstance(told, bytes) else json.dumps(told).encode())
        writer.write_record(
            writer.create_warc_record(
                "https://a.example/d/",
                "metadata",
                payload=payload,
                warc_content_type="application/json",
            )
        )
    return buffer.getvalue()
