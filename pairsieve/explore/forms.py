"""Read searches and erasure requests from the page's forms and from JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, Field, TypeAdapter

from pairsieve.erasure.queue import MAX_CONTACT_CHARS, MAX_REQUESTS
from pairsieve.erasure.requests import COPIES, MAX_VALUE_CHARS, PLACE_KINDS
from pairsieve.explore.cards import PICTURE_KINDS
from pairsieve.explore.guard import Form
from pairsieve.search.find import EXACT_FILTERS, Query, Sort
from pairsieve.web.pasted_addresses import pasted_address

PER_PAGE = 24
# Letters of a value by which results are filtered: a host has no more (RFC 1035, 2.3.4).
MAX_FILTER_CHARS = 255
MAX_PAGE_DIGITS = 5
ADDRESS_REQUESTS = ("image_url", "page_url")
_TEXTS_BY_KIND = TypeAdapter(dict[str, str] | list[dict[str, str]])


class SubmittedRequests(BaseModel):
    """Requests as `pairsieve erase` reads them, and an address for the answer, if wanted."""

    requests: list[dict[str, str | bool]] = Field(min_length=1, max_length=MAX_REQUESTS)
    contact: str = Field("", max_length=MAX_CONTACT_CHARS)


def query_of(parameters: Sequence[tuple[str, str]]) -> Query:
    """Return the search that the page's form asks for.

    An address in the field for words is searched as the address of a picture
    (pairsieve/web/pasted_addresses.py). Whatever cannot be
    read has its default.
    """
    values: dict[str, list[str]] = {}
    for name, value in parameters:
        max_chars = MAX_VALUE_CHARS if name == "q" else MAX_FILTER_CHARS
        values.setdefault(name, []).append(value[:max_chars])
    text = values.get("q", [""])[0].strip()
    address = pasted_address(text)
    sort: Sort = "similarity" if values.get("sort") == ["similarity"] else "best"
    return Query(
        words="" if address else text,
        image_url=address,
        exact={name: values[name] for name in EXACT_FILTERS if name in values},
        sort=sort,
        page=_page_number(values.get("p", ["1"])[0]),
        per_page=PER_PAGE,
    )


def _page_number(text: str) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) <= MAX_PAGE_DIGITS
    return max(1, int(text)) if is_number else 1


def with_copies(request: Mapping[str, str | bool]) -> dict[str, str | bool]:
    """A visitor's request, which covers copies of a place's pictures unless it says otherwise.

    Who asks for a page to be taken out means the pictures on it, and does not know where else they
    are.
    """
    names_place = any(kind in request for kind in PLACE_KINDS)
    return {COPIES: True, **request} if names_place else dict(request)


def requests_of(form: Form) -> list[dict[str, str | bool]]:
    """Return the erasure requests of a form. Raises ValueError when they cannot be read."""
    what = form.first("what")
    if what == "page":
        return [{"page_url": form.first("page")}]
    if what == "domain":
        return [{"domain": form.first("domain")}]
    if what == "addresses":
        return _fields_of(form, "address", ADDRESS_REQUESTS)
    return _fields_of(form, "picture", PICTURE_KINDS)


def _fields_of(form: Form, name: str, kinds: Sequence[str]) -> list[dict[str, str | bool]]:
    """Return a request for each value of some kinds in the fields of a name.

    A field holds JSON: {kind: value}, or a list of these. Raises ValueError.
    """
    requests: list[dict[str, str | bool]] = []
    for text in form.fields.get(name, ()):
        read = _TEXTS_BY_KIND.validate_json(text)
        several = [read] if isinstance(read, dict) else read
        for values in several:
            for kind, value in values.items():
                # Copies of a picture name the same hash.
                if kind in kinds and {kind: value} not in requests:
                    requests.append({kind: value})
    return requests
