"""Common Crawl's WAT records: what the crawler noted of a page, as a page again.

A WAT record names in JSON the links, images, meta elements, title and HTTP headers of one WARC
record (webarchive-commons, `HTML-Metadata`). They are put into a page that holds them and nothing
else, so that everything that reads pages reads these. Not in a WAT, and so not seen: microdata,
JSON-LD, srcset, `<picture>`, lazy attributes, where on the page an image stands, and headers that
stand twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pairsieve.records.outcome import Rejection
from pairsieve.records.page import Origin, Page
from pairsieve.warc.record import BadRecord, Record
from pairsieve.web.text import json_value

MAX_OFFSET = 2**63 - 1  # as columns hold it
IMAGE, LINK = "IMG@/src", "A@/href"
_NAME = re.compile(r"[a-z][a-z-]{0,30}", re.IGNORECASE)


def is_wat(record: Record) -> bool:
    """Whether a metadata record holds what a WAT says of a record."""
    return record.content_type.partition(";")[0].strip().lower() == "application/json"


def page_of_wat(record: Record) -> Page | Rejection | None:
    """The page that a WAT record tells of; None where it tells of something else, a Rejection where
    it was no 200.

    Raises BadRecord for one that is no WAT record.
    """
    try:
        told = json_value(record.payload)
        return _page(told["Envelope"], told.get("Container") or {}, record)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        raise BadRecord("wat_unreadable", record.offset) from None


def _page(
    envelope: dict[str, Any], container: dict[str, Any], record: Record
) -> Page | Rejection | None:
    warc = envelope["WARC-Header-Metadata"]
    http = envelope.get("Payload-Metadata", {}).get("HTTP-Response-Metadata")
    if (
        warc.get("WARC-Type") != "response"
        or not http
        or not record.url.startswith(("http:", "https:"))
    ):
        return None
    headers = tuple(_headers(http.get("Headers") or {}))
    told = http.get("HTML-Metadata")
    if told is None:
        return None
    status = str(http.get("Response-Message", {}).get("Status", "0"))
    if status != "200":
        return Rejection("page", f"http_{status if status.isdecimal() and len(status) == 3 else 0}")
    origin = Origin(
        warc_file=str(container.get("Filename") or ""),
        record_offset=_offset(container.get("Offset") or 0),
        payload_digest=str(warc.get("WARC-Payload-Digest") or ""),
        crawl_time=str(warc.get("WARC-Date") or ""),
        record_id=str(warc.get("WARC-Record-ID") or ""),
    )
    payload = "\n".join(_html(told)).encode("utf-8", "replace")
    return Page(record.url, headers, payload, origin, "wat")


def _offset(told: Any) -> int:
    """Raises ValueError for what is no place in a file."""
    offset = int(told)
    if not 0 <= offset <= MAX_OFFSET:
        raise ValueError("no offset of a file")
    return offset


def _headers(headers: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "Content-Type", "text/html; charset=utf-8"  # of what stands for the page here
    for name, value in headers.items():
        if name.lower() != "content-type":
            yield from ((name, str(one)) for one in (value if isinstance(value, list) else [value]))


def _html(told: dict[str, Any]) -> Iterator[str]:
    head = told.get("Head") or {}
    yield "<!doctype html><head>"
    if head.get("Base"):
        yield _element("base", {"href": head["Base"]})
    yield f"<title>{str(head.get('Title') or '').replace('<', '&lt;')}</title>"
    yield from (_element("meta", meta) for meta in head.get("Metas") or ())
    yield from (
        _element("link", {**_without(link, "path", "url"), "href": link["url"]})
        for link in _with_url(head.get("Link"))
    )
    yield "</head><body>"
    for link in _with_url(told.get("Links")):
        if link["path"] == IMAGE and "alt" in link:  # an empty alt is not in a WAT either
            yield _element("img", {"src": link["url"], "alt": link["alt"]})
        elif link["path"] == LINK:
            yield _element("a", {"href": link["url"], "rel": link.get("rel", "")}) + "</a>"


def _with_url(links: Iterable[dict[str, Any]] | None) -> Iterator[dict[str, Any]]:
    return (link for link in links or () if "url" in link and "path" in link)


def _without(link: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in link.items() if name not in names}


def _element(tag: str, attributes: dict[str, Any]) -> str:
    named = ((name, value) for name, value in attributes.items() if _NAME.fullmatch(name))
    return f"<{tag} " + " ".join(f'{name}="{_quoted(value)}"' for name, value in named) + ">"


def _quoted(value: object) -> str:
    """An attribute's value as the page wrote it: a WAT keeps its entities as they are."""
    return str(value).replace('"', "&quot;")
