"""Turn a row into the card that the page shows.

Everything in a row is shown as text. Addresses become links only if they are http or https.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pairsieve.search.find import Hit
from pairsieve.search.rows import NOT_JUDGED, marks
from pairsieve.web.shown import plain, safe_link
from pairsieve.web.urls import host_of

EVIDENCE = ("LANGUAGE", "subset", "licence_kind", "NSFW")
# Kind of an erasure request -> the column that holds its value.
REQUEST_COLUMNS = {"image_url": "URL", "sha256": "sha256", "pdq": "pdq", "page_url": "page_url"}
# A request about a picture names its address and its hashes, so it finds the picture everywhere.
PICTURE_KINDS = ("image_url", "sha256", "pdq")


@dataclass(frozen=True)
class Card:
    """One result of a search."""

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
    """WARC file, and the date of the crawl."""
    requests: Mapping[str, str]
    """For the form that asks for an erasure: kind of request -> value."""
    picture: str
    """The requests about the picture and its copies, [{kind: value}] in JSON: a form's field."""
    copies: Sequence[Card] = ()
    """Other results that show the same picture."""


def group_card(hits: Sequence[Hit]) -> Card:
    """Return the card of results that show the same picture (pairsieve/explore/copies.py).

    It shows the first one, and the others as its copies. What was seen in a copy counts for all.
    """
    first, *copies = map(card, hits)
    marks = list(dict.fromkeys(first.marks))
    for copy in copies:
        for mark in copy.marks:
            # One row that nobody judged says nothing of the others.
            if mark != NOT_JUDGED and mark not in marks:
                marks.append(mark)
    requests = [_of_picture(shown.requests) for shown in (first, *copies)]
    return replace(first, marks=marks, picture=json.dumps(requests), copies=copies)


def card(hit: Hit) -> Card:
    """Return the card of a hit."""
    row = hit.row
    url, page = _text(row, "URL"), _text(row, "page_url")
    link = safe_link(url)
    similarity = row.get("similarity")
    similarity_text = "" if similarity is None else f"{float(similarity):.3f}"
    requests = _requests(row)
    return Card(
        caption=plain(_text(row, "TEXT")),
        url=plain(url),
        link=link,
        page=plain(page),
        page_link=safe_link(page),
        domain=plain(host_of(link)),
        similarity=similarity_text,
        why=hit.why.replace(" ", "_"),  # as words.yaml names the text
        marks=list(marks(row, _text(row, "subset"))),
        evidence=_evidence(row),
        provenance=(plain(_text(row, "warc_file")), plain(_text(row, "crawl_time"))[:10]),
        requests=requests,
        picture=json.dumps([_of_picture(requests)]),
    )


def _of_picture(requests: Mapping[str, str]) -> Mapping[str, str]:
    return {kind: requests[kind] for kind in PICTURE_KINDS if kind in requests}


def _requests(row: Mapping[str, Any]) -> Mapping[str, str]:
    """Return kind of request -> value, for the form that asks for an erasure."""
    requests = {kind: row[name] for kind, name in REQUEST_COLUMNS.items() if row.get(name)}
    # The file itself is found by its address; the hash is to find copies without its border too.
    if row.get("pdq_trimmed"):
        requests["pdq"] = row["pdq_trimmed"]
    return requests


def _text(row: Mapping[str, Any], name: str) -> str:
    return str(row.get(name, ""))


def _evidence(row: Mapping[str, Any]) -> list[str]:
    values = [plain(str(row[name])) for name in EVIDENCE if row.get(name)]
    tags = [plain(str(tag)) for tag in row.get("tags", ())]
    return [*dict.fromkeys(values), *tags]
