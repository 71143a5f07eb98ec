"""Makes the archives that benchmarks/extract.py reads."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path
from random import Random
from typing import Any

from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

PAGE_BYTES = 100_000  # about the mean of Common Crawl's pages
DATE = {"WARC-Date": "2026-01-02T03:04:05Z"}
_BODY = re.compile(rb"<body[^>]*>(.*)</body>", re.IGNORECASE | re.DOTALL)

# Two million pairs.
MANY_PAGES, IMAGES_PER_PAGE = 40_000, 50
IMAGE_HOSTS, PAGE_HOSTS = 5_000, 1_000
WORDS_PER_CAPTION = 10


def write_pages(source: str, target: Path, max_pages: int | None) -> int:
    """Copy the HTML pages of a file, with the body of each repeated up to PAGE_BYTES.

    Returns the number of pages.
    """
    number = 0
    with open(source, "rb") as stream, target.open("wb") as output:  # noqa: PTH123 - may be any path
        writer = WARCWriter(output, gzip=True)
        pages = (record for record in _readable(ArchiveIterator(stream)) if _is_page(record))
        for record in islice(pages, max_pages):
            body = _repeated(record.content_stream().read())
            content_type = record.http_headers.get_header("Content-Type")
            url = record.rec_headers.get_header("WARC-Target-URI")
            _write_page(writer, url, content_type, body)
            number += 1
    return number


def _write_page(writer: WARCWriter, url: str, content_type: str, body: bytes) -> None:
    http_headers = StatusAndHeaders("200 OK", [("Content-Type", content_type)], protocol="HTTP/1.1")
    record = writer.create_warc_record(
        url,
        "response",
        payload=io.BytesIO(body),
        http_headers=http_headers,
        warc_headers_dict=DATE,
    )
    writer.write_record(record)


def _is_page(record: Any) -> bool:
    if record.rec_type != "response" or record.http_headers is None:
        return False
    if record.http_headers.get_statuscode() != "200":
        return False
    return "html" in (record.http_headers.get_header("Content-Type") or "")


def _readable(records: Iterator[Any]) -> Iterator[Any]:
    """Yield records up to the first broken one; the demonstration crawl ends in one."""
    try:
        yield from records
    except (ArchiveLoadFailed, EOFError, OSError, ValueError):
        return


def _repeated(page: bytes) -> bytes:
    """Repeat the contents of the body until the page has about PAGE_BYTES."""
    body = _BODY.search(page)
    if not body or not body[1]:
        return page
    times = max(1, round((PAGE_BYTES - len(page)) / len(body[1])))
    return page[: body.start(1)] + body[1] * times + page[body.end(1) :]


def write_many_pairs(path: Path) -> None:
    """Write an archive of two million distinct pairs, with captions of ten words."""
    random = Random(0)
    adjectives = ("red", "old", "small", "north", "quiet")
    nouns = ("house", "river", "mountain", "bridge", "garden", "street")
    words = [adjective + noun for adjective, noun in product(adjectives, nouns)]
    with path.open("wb") as stream:
        writer = WARCWriter(stream, gzip=True)
        for page in range(MANY_PAGES):
            images = []
            for number in range(IMAGES_PER_PAGE):
                host = random.randrange(IMAGE_HOSTS)
                caption = " ".join(random.choices(words, k=WORDS_PER_CAPTION))
                url = f"https://host{host}.example/{page}/{number}.jpg"
                images.append(f'<img src="{url}" alt="{caption}">')
            body = f"<html><title>page {page}</title><body>{''.join(images)}</body></html>"
            address = f"https://site{page % PAGE_HOSTS}.example/{page}.html"
            _write_page(writer, address, "text/html; charset=utf-8", body.encode())
