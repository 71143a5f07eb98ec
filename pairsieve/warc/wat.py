"""Reads Common Crawl's WAT records: makes a page from what the crawler noted of a page.

A WAT record holds in JSON the links, images, meta elements, title and HTTP headers of one WARC
record (webarchive-commons, `HTML-Metadata`). These are put into a page that holds nothing else, so
that all code that reads pages can read it. A WAT lacks, and such a page therefore lacks: microdata,
JSON-LD, srcset, `<picture>`, lazy attributes, the position of an image on the page, and headers
that occur twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pairsieve.records.outcome import Rejection
from pairsieve.records.page import Origin, Page
from pairsieve.warc.record import MAX_OFFSET, BadRecord, Record
from pairsieve.web.media_type import media_type
from pairsieve.web.text import json_value

# Values of "path", which says from which element and attribute a WAT has a link.
IMAGE, LINK = "IMG@/src", "A@/href"
_NAME = re.compile(r"[a-z][a-z-]{0,30}", re.IGNORECASE)


def is_wat(record: Record) -> bool:
    """Whether a metadata record is one of a WAT."""
    return media_type(record.content_type).essence == "application/json"


def page_of_wat(record: Record) -> Page | Rejection | None:
    """The page in a WAT record.

    A Rejection if its HTTP status was not 200. None if the record is not about an HTML page. Raises
    BadRecord if it is not a WAT record.
    """
    try:
        document = json_value(record.payload)
        return _page(document["Envelope"], document.get("Container") or {}, record)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        raise BadRecord("wat_unreadable", record.offset) from None


def _page(
    envelope: dict[str, Any], container: dict[str, Any], record: Record
) -> Page | Rejection | None:
    warc = envelope["WARC-Header-Metadata"]
    http = envelope.get("Payload-Metadata", {}).get("HTTP-Response-Metadata")
    if warc.get("WARC-Type") != "response" or not http:
        return None
    if not record.url.startswith(("http:", "https:")):
        return None
    headers = tuple(_headers(http.get("Headers") or {}))
    html = http.get("HTML-Metadata")
    if html is None:
        return None
    status = str(http.get("Response-Message", {}).get("Status", "0"))
    if status != "200":
        is_status = status.isdecimal() and len(status) == 3
        return Rejection("page", f"http_{status if is_status else 0}")
    origin = Origin(
        warc_file=str(container.get("Filename") or ""),
        record_offset=_offset(container.get("Offset") or 0),
        payload_digest=str(warc.get("WARC-Payload-Digest") or ""),
        crawl_time=str(warc.get("WARC-Date") or ""),
        record_id=str(warc.get("WARC-Record-ID") or ""),
    )
    payload = "\n".join(_html_lines(html)).encode("utf-8", "replace")
    return Page(record.url, headers, payload, origin, "wat")


def _offset(value: Any) -> int:
    """The offset of a record. Raises ValueError if the value cannot be one."""
    offset = int(value)
    if not 0 <= offset <= MAX_OFFSET:
        raise ValueError("no offset of a file")
    return offset


def _headers(headers: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The HTTP headers of the page that is made here."""
    # The page is made as UTF-8, whatever the real one was.
    yield "Content-Type", "text/html; charset=utf-8"
    for name, value in headers.items():
        if name.lower() == "content-type":
            continue
        values = value if isinstance(value, list) else [value]
        for single_value in values:
            yield name, str(single_value)


def _html_lines(metadata: dict[str, Any]) -> Iterator[str]:
    """The lines of a page with the elements that a WAT names."""
    yield "<!doctype html><head>"
    yield from _head_lines(metadata.get("Head") or {})
    yield "</head><body>"
    for link in _with_url(metadata.get("Links")):
        # A WAT leaves out an empty alt, too.
        if link["path"] == IMAGE and "alt" in link:
            yield _element("img", {"src": link["url"], "alt": link["alt"]})
        elif link["path"] == LINK:
            yield _element("a", {"href": link["url"], "rel": link.get("rel", "")}) + "</a>"


def _head_lines(head: dict[str, Any]) -> Iterator[str]:
    if head.get("Base"):
        yield _element("base", {"href": head["Base"]})
    title = str(head.get("Title") or "").replace("<", "&lt;")
    yield f"<title>{title}</title>"
    for meta in head.get("Metas") or ():
        yield _element("meta", meta)
    for link in _with_url(head.get("Link")):
        attributes = {name: value for name, value in link.items() if name not in ("path", "url")}
        attributes["href"] = link["url"]
        yield _element("link", attributes)


def _with_url(links: Iterable[dict[str, Any]] | None) -> Iterator[dict[str, Any]]:
    for link in links or ():
        if "url" in link and "path" in link:
            yield link


def _element(tag: str, attributes: dict[str, Any]) -> str:
    """A start tag. Names that no HTML attribute has are left out."""
    written = []
    for name, value in attributes.items():
        if _NAME.fullmatch(name):
            written.append(f'{name}="{_quoted(value)}"')
    return f"<{tag} " + " ".join(written) + ">"


def _quoted(value: object) -> str:
    """The value of an attribute, without quotes.

    A WAT keeps the entities of the page as they are. So `&` must not be escaped again.
    """
    return str(value).replace('"', "&quot;")
