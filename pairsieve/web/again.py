"""Asks for a picture that is known already, and takes its body only where that is needed.

The steps, each only where the one before did not settle it:

1. Where a validator is known: HEAD without conditions. Its headers are those of the whole answer,
   so a new X-Robots-Tag is among them. The picture is the known one where its validators say so.
2. Where HEAD is refused: GET of the first bytes, with conditions. Its headers are as good. Also
   where no validator is known, but the first bytes are. Beside a validator that has changed they
   would say nothing.
3. GET of the whole picture, with conditions.

A 304 may leave out headers that an answer with a body has (RFC 9110, 15.4.5), which is why
conditions alone do not come first. A HEAD that is refused says nothing: many servers refuse any.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING

import aiohttp

from pairsieve.records.page import Headers, combined, header
from pairsieve.web.answer import Answer, FetchRequest, How, PictureBefore, now_utc
from pairsieve.web.body import headers_of, whole_body
from pairsieve.web.media_type import HTML_TYPES, media_type
from pairsieve.web.refusals import Refused
from pairsieve.web.requester import BUSY, Form, HeadersAt, ReadAnswer
from pairsieve.web.urls import url_id

if TYPE_CHECKING:
    from pairsieve.web.client import Client

ACCEPT = "image/*"
FIRST_BYTES = 512
"""How many bytes are compared: the headers of all formats, and the begin of what follows."""
STRONG_AFTER_S = 60
"""RFC 9110, 8.8.2.2: a date of modification that lies at least so long before the answer is exact
enough to tell two versions apart."""
MAX_LENGTH_DIGITS = 15  # a thousand terabytes
MAX_VALIDATOR_CHARS = 500
"""A longer one counts as missing: it would be kept for every link."""


async def ask_again(client: Client, request: FetchRequest, known: PictureBefore) -> Answer:
    """The answer to a request for a known picture: "unchanged", or its body.

    Raises Refused and Busy.
    """
    form = Form(ACCEPT)
    if not known.whole:
        answer = await _ask_without_body(client, request, known)
        if answer is not None:
            return answer
        form = Form(ACCEPT, headers_at=_conditions_at(known))
    return await client.follow(request, _whole_reader(client, request, known), form)


async def _ask_without_body(
    client: Client, request: FetchRequest, known: PictureBefore
) -> Answer | None:
    """The answer to a request for headers or for the first bytes; None where it settles nothing."""
    if not may_tell_by_headers(known):
        if not known.first_bytes:
            return None
        return await _ask_first_bytes(client, request, known)
    answer = await client.follow(request, _head_reader(client, request, known), _HEAD)
    if answer is not None and answer.status == _HEAD_REFUSED:
        return await _ask_first_bytes(client, request, known)
    return answer


async def _ask_first_bytes(
    client: Client, request: FetchRequest, known: PictureBefore
) -> Answer | None:
    """The answer to a request for the first bytes; None where it settles nothing."""
    conditions_at = _conditions_at(known)

    def headers_at(at: str) -> Mapping[str, str]:
        return {**conditions_at(at), "Range": f"bytes=0-{FIRST_BYTES - 1}"}

    form = Form(ACCEPT, headers_at=headers_at)
    return await client.follow(request, _first_reader(client, request, known), form)


_HEAD = Form(ACCEPT, "HEAD")
_HEAD_REFUSED = "head_refused"


def may_tell_by_headers(known: PictureBefore) -> bool:
    """Whether headers can show that a picture is the known one."""
    return bool(known.etag or known.last_modified or (known.fetched_at and known.size_bytes))


def is_same_by_headers(known: PictureBefore, headers: Headers) -> bool:
    """Whether the headers of an answer show that its body is the known one.

    A strong ETag is enough. A date of modification needs the same length beside it. Where no
    validator is known, as after the first fetch, the picture must not have been modified since.
    """
    if media_type(combined(headers, "content-type")).essence in HTML_TYPES:
        return False
    length = length_of(headers)
    has_length = length is not None and length == known.size_bytes
    # A length that differs is a difference, whatever the validators say.
    if length is not None and known.size_bytes is not None and not has_length:
        return False
    etag, modified = validators_of(headers)
    if known.etag:
        if etag != known.etag:
            return False
        # A weak ETag allows other bytes (RFC 9110, 8.8.1).
        return not etag.startswith("W/") or (bool(modified) and modified == known.last_modified)
    if known.last_modified:
        return has_length and modified == known.last_modified
    return has_length and _is_older(modified, known.fetched_at)


def length_of(headers: Headers) -> int | None:
    """Content-Length in bytes; None where it is missing, or is no number that a file can have."""
    text = header(headers, "content-length").strip()
    if not text.isdecimal() or len(text) > MAX_LENGTH_DIGITS:
        return None
    return int(text)


def validators_of(headers: Headers) -> tuple[str, str]:
    """ETag and Last-Modified; empty where they are missing, or too long to be kept."""
    return _validator(headers, "etag"), _validator(headers, "last-modified")


def _validator(headers: Headers, name: str) -> str:
    value = header(headers, name).strip()
    return value if len(value) <= MAX_VALIDATOR_CHARS else ""


def _is_older(modified: str, fetched_at: str) -> bool:
    """Whether a date of modification lies clearly before a time in ISO 8601."""
    try:
        age = datetime.fromisoformat(fetched_at) - parsedate_to_datetime(modified).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return False
    return age.total_seconds() >= STRONG_AFTER_S


def first_bytes_of(body: bytes) -> str:
    """The `PictureBefore.first_bytes` of a picture; empty where it has no more bytes than these."""
    if len(body) <= FIRST_BYTES:
        return ""
    return hashlib.sha256(body[:FIRST_BYTES]).hexdigest()


def _conditions_at(known: PictureBefore) -> HeadersAt:
    """The conditions of a request; none for a hop that did not serve the known picture."""

    def headers_at(at: str) -> Mapping[str, str]:
        if url_id(at) != known.final_id:
            return {}
        headers = {}
        if known.etag:
            headers["If-None-Match"] = known.etag
        since = known.last_modified or _http_date(known.fetched_at)
        if since:
            # RFC 9110, 13.1.3: without a date of modification, the time of the answer.
            headers["If-Modified-Since"] = since
        return headers

    return headers_at


def _http_date(fetched_at: str) -> str:
    try:
        return format_datetime(datetime.fromisoformat(fetched_at).astimezone(UTC), usegmt=True)
    except (ValueError, OverflowError):
        return ""


def _head_reader(
    client: Client, request: FetchRequest, known: PictureBefore
) -> ReadAnswer[Answer | None]:
    """The function that reads the answer to HEAD; None where it settles nothing."""

    async def read(at: str, response: aiohttp.ClientResponse) -> Answer | None:
        if response.status in BUSY:
            raise client.requester.busy_answer(at, response)
        if response.status != 200:
            # Many servers refuse any HEAD: this says nothing about the picture.
            return _bodiless(request, at, response, _HEAD_REFUSED, "head")
        client.requester.record_answer(at, failed=False)
        headers = headers_of(response)
        status = request.check_headers(request.url, at, headers)
        if status is not None:
            return _bodiless(request, at, response, status, "head")
        if url_id(at) == known.final_id and is_same_by_headers(known, headers):
            return _bodiless(request, at, response, "unchanged", "head")
        return None

    return read


def _first_reader(
    client: Client, request: FetchRequest, known: PictureBefore
) -> ReadAnswer[Answer | None]:
    """The function that reads the first bytes; None where they settle nothing."""
    read_whole = _whole_reader(client, request, known)

    async def read(at: str, response: aiohttp.ClientResponse) -> Answer | None:
        if response.status == 416:  # the picture is shorter now
            return None
        if response.status != 206:
            return await read_whole(at, response)
        client.requester.record_answer(at, failed=False)
        status = request.check_headers(request.url, at, headers_of(response))
        if status is not None:
            return _bodiless(request, at, response, status, "first_bytes")
        try:
            body = await whole_body(response, FIRST_BYTES)
        except Refused:
            return None  # another range than was asked for
        client.bandwidth.spend(len(body))
        is_known_place = url_id(at) == known.final_id
        headers = _with_whole_length(headers_of(response))
        if may_tell_by_headers(known):
            is_same = is_known_place and is_same_by_headers(known, headers)
        else:
            has_length = length_of(headers) == known.size_bytes
            is_same = has_length and hashlib.sha256(body).hexdigest() == known.first_bytes
        return _bodiless(request, at, response, "unchanged", "first_bytes") if is_same else None

    return read


def _with_whole_length(headers: Headers) -> Headers:
    """The headers of an answer with a part of a picture, with the length of the whole.

    Content-Range: bytes 0-511/12345 (RFC 9110, 14.4). A part that does not begin at 0, or does not
    say how long the whole is, has no length here.
    """
    others = [(name, value) for name, value in headers if name.lower() != "content-length"]
    content_range = header(headers, "content-range").strip()
    _, slash, whole = content_range.partition("/")
    if content_range.startswith("bytes 0-") and slash:
        others.append(("Content-Length", whole))
    return tuple(others)


def _whole_reader(
    client: Client, request: FetchRequest, known: PictureBefore
) -> ReadAnswer[Answer]:
    """The function that reads a whole picture, or a 304 where conditions were sent."""
    read_body = client.answer_reader(request)

    async def read(at: str, response: aiohttp.ClientResponse) -> Answer:
        # A 304 that nobody asked for settles nothing: it would hide what is served.
        is_expected = url_id(at) == known.final_id and not known.whole
        if response.status != 304 or not is_expected:
            return replace(await read_body(at, response), how="whole")
        client.requester.record_answer(at, failed=False)
        status = request.check_headers(request.url, at, headers_of(response))
        return _bodiless(request, at, response, status or "unchanged", "condition")

    return read


def _bodiless(
    request: FetchRequest, at: str, response: aiohttp.ClientResponse, status: str, how: How
) -> Answer:
    headers = headers_of(response)
    return Answer(
        url=request.url,
        status=status,
        http_status=response.status,
        final_url=at,
        fetched_at=now_utc(),
        content_type=combined(headers, "content-type"),
        headers=headers,
        how=how,
    )
