"""A row as the page shows it.

Whatever it holds is text: addresses become links only where they are http or https.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pairsieve.search.find import Hit
from pairsieve.search.rows import marks
from pairsieve.web.shown import plain, safe_link
from pairsieve.web.urls import host_of

EVIDENCE = ("LANGUAGE", "subset", "licence_kind", "NSFW")


@dataclass(frozen=True)
class Card:
    """One result."""

    caption: str
    url: str
    link: str
    page: str
    page_link: str
    domain: str
    similarity: str
    why: str
    marks: Sequence[str]
    evidence: Sequence[str]
    provenance: tuple[str, str]
    requests: Mapping[str, str]
    """For the form that asks to take it out: kind -> value."""


def card(hit: Hit) -> Card:
    """A hit, ready to be shown."""
    row = hit.row
    url, page = str(row.get("URL", "")), str(row.get("page_url", ""))
    link = safe_link(url)
    similarity = row.get("similarity")
    return Card(
        caption=plain(str(row.get("TEXT", ""))),
        url=plain(url),
        link=link,
        page=plain(page),
        page_link=safe_link(page),
        domain=plain(host_of(link)),
        similarity="" if similarity is None else f"{float(similarity):.3f}",
        why=hit.why.replace(" ", "_"),
        marks=list(marks(row, str(row.get("subset", "")))),
        evidence=list(_evidence(row)),
        provenance=(
            plain(str(row.get("warc_file", ""))),
            plain(str(row.get("crawl_time", "")))[:10],
        ),
        requests=dict(_requests(row)),
    )


def _evidence(row: Mapping[str, Any]) -> Iterator[str]:
    yield from dict.fromkeys(plain(str(row[name])) for name in EVIDENCE if row.get(name))
    yield from (plain(str(tag)) for tag in row.get("tags", ()))


def _requests(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if row.get("URL"):
        yield "image_url", row["URL"]
    if row.get("sha256"):
        yield "sha256", row["sha256"]
    if row.get("pdq"):
        yield "pdq", row["pdq"]
    if row.get("page_url"):
        yield "page_url", row["page_url"]
