"""What an answer says of a published link, and what is known of the link after it.

same         it serves the published picture
changed      it serves another picture, or bytes that are none
gone         it serves no picture: an error of the request (4xx), or a page in its place
reserved     its publisher says no, in any signal that the fetch obeys
unreachable  nothing answered, or it is not known whether there is a reservation
not_asked    our own limits forbade the request, or ended it
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pairsieve.recheck.links import AskedLink, Link, Outcome
from pairsieve.records.page import Headers, header
from pairsieve.web.again import first_bytes_of, length_of, validators_of
from pairsieve.web.answer import Answer, PictureBefore
from pairsieve.web.reservations import names_of
from pairsieve.web.urls import url_id

REFUSED_BY_RESPONSE = "refused_by_response"
REFUSED_BY_PICTURE = "refused_by_picture"
NO_PICTURE, OTHER_BYTES = "no_picture", "other_bytes"
COUNTED_AGAIN_AFTER = timedelta(hours=20)
"""Two answers of one day count as one: a server may be down for a day. Less than 24 hours, so that
a recheck every day at about the same time counts each day."""

# Statuses of the client (pairsieve/web) that say that nothing answered for now.
_UNREACHABLE = (
    "timeout", "connection_error", "tls_error", "host_busy", "host_left_alone",
    "robots_unreachable", "reservation_unreachable",
)  # fmt: skip
_UNREACHABLE_HTTP = (408, 425, 429)
# The URL led to nothing that could be a picture.
_GONE = ("empty", "bad_redirect", "too_many_redirects", NO_PICTURE)
# It is longer than any picture that was published.
_CHANGED = ("too_large",)


@dataclass(frozen=True, slots=True)
class Served:
    """A body that was read: its sha256, and whether it can be decoded.

    `pdq_distance`: bits between it and the published picture, None where one has no hash. `refuses`
    says that the file itself reserves its use (XMP, Content Credentials).
    """

    sha256: str
    size_bytes: int
    first_bytes: str
    is_page: bool = False
    pdq_distance: int | None = None
    refuses: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """The outcome of one answer; `served` where a body was read."""

    outcome: Outcome
    reason: str = ""
    served: Served | None = None


def known_picture_of(link: AskedLink) -> PictureBefore:
    """What the client may compare the picture of a link with."""
    before = link.before
    if before is None or not before.seen_at:
        return PictureBefore(
            url_id(link.final_url or link.url),
            link.size_bytes,
            fetched_at=link.fetched_at,
            # Without one hash it is not known which picture the headers would be those of.
            whole=link.whole or len(link.hashes) != 1,
        )
    return PictureBefore(
        before.final_id,
        before.size_bytes,
        before.etag,
        before.last_modified,
        before.first_bytes,
        whole=link.whole or not before.sha256,
    )


def look_at(link: AskedLink, answer: Answer, served: Served | None = None) -> Look:
    """What an answer says of a link. `served` describes the answer's body, if it has one."""
    if answer.status == "unchanged":
        return _unchanged(link.before, answer)
    if answer.status != "ok" or served is None:
        return Look(outcome_of_status(answer.status, answer.http_status), reason_of(answer))
    if served.is_page:
        return Look("gone", NO_PICTURE)
    if served.refuses:
        return Look("reserved", REFUSED_BY_PICTURE, served)
    hashes = expected_hashes(link)
    # A row of others may come without a hash: what it serves first is what it is compared with.
    if not hashes or served.sha256 in hashes:
        return Look("same", answer.how, served)
    return Look("changed", OTHER_BYTES, served)


def _unchanged(before: Link | None, answer: Answer) -> Look:
    """The outcome of a link that serves what it served the last time."""
    if before and before.reserved_since and before.reason == REFUSED_BY_PICTURE:
        return Look("reserved", REFUSED_BY_PICTURE)
    if before and before.changed_since:
        return Look("changed", OTHER_BYTES)
    return Look("same", answer.how)


def expected_hashes(link: AskedLink) -> frozenset[str]:
    """The sha256 of the published picture; of one without, that of the first recheck."""
    if link.hashes:
        return frozenset(link.hashes)
    if link.before and link.before.sha256:
        return frozenset([link.before.sha256])
    return frozenset()


def outcome_of_status(status: str, http_status: int | None) -> Outcome:
    """The outcome of a link, by a status of the client without a body."""
    if status in RESERVED:
        return "reserved"
    if status in _UNREACHABLE:
        return "unreachable"
    if status == "http_error":
        is_request = http_status is not None and 400 <= http_status < 500
        return "gone" if is_request and http_status not in _UNREACHABLE_HTTP else "unreachable"
    if status in _GONE:
        return "gone"
    return "changed" if status in _CHANGED else "not_asked"


RESERVED = frozenset((*names_of("no"), REFUSED_BY_RESPONSE, REFUSED_BY_PICTURE))
"""Statuses with which a publisher says no."""


def reason_of(answer: Answer) -> str:
    """The status of an answer, with the number of an HTTP error."""
    if answer.status == "http_error":
        return f"http_{answer.http_status}"
    return answer.status


def next_link(link: AskedLink, answer: Answer, look: Look, round_number: int, at: str) -> Link:
    """What is known of a link after an answer. `at` is the time of the recheck."""
    link_id = url_id(link.url)
    before = link.before or Link(link_id)
    known = replace(
        before,
        round=round_number,
        asked_at=at,
        reason=look.reason,
        row_hashes=len(link.hashes),
    )
    if look.outcome == "gone":
        return _counted_gone(known, at)
    if look.outcome == "unreachable":
        return _counted_unreachable(known, at)
    # Something answered, so a series of failures has ended.
    known = replace(known, unreachable_times=0, unreachable_at="")
    if look.outcome == "reserved":
        return replace(known, reserved_since=before.reserved_since or at)
    known = _with_picture(replace(known, reserved_since=""), link, answer, look.served)
    if look.outcome == "changed":
        if answer.status in _CHANGED:
            known = replace(known, sha256="")  # nobody has read what it serves
        distance = look.served.pdq_distance if look.served else before.pdq_distance
        return replace(
            known, changed_since=before.changed_since or at, pdq_distance=distance, seen_at=at
        )
    return replace(
        known,
        seen_at=at,
        changed_since="",
        pdq_distance=None,
        gone_times=0,
        gone_at="",
        gone_since="",
        reason="",
    )


def _counted_gone(link: Link, at: str) -> Link:
    if not _counts_again(link.gone_at, at):
        return link
    times = link.gone_times + 1
    return replace(link, gone_times=times, gone_at=at, gone_since=link.gone_since or at)


def _counted_unreachable(link: Link, at: str) -> Link:
    if not _counts_again(link.unreachable_at, at):
        return link
    return replace(link, unreachable_times=link.unreachable_times + 1, unreachable_at=at)


def _counts_again(counted_at: str, at: str) -> bool:
    if not counted_at:
        return True
    passed = datetime.fromisoformat(at) - datetime.fromisoformat(counted_at)
    return passed >= COUNTED_AGAIN_AFTER


def _with_picture(known: Link, link: AskedLink, answer: Answer, served: Served | None) -> Link:
    """The link with the validators of an answer, and the hashes of its body if one was read."""
    if not answer.final_url:
        return known
    fetched_from = link.final_url or link.url
    etag, last_modified = validators_of(answer.headers)
    known = replace(
        known,
        final_id=url_id(answer.final_url),
        etag=etag,
        last_modified=last_modified,
        size_bytes=_length(answer.headers) or known.size_bytes or link.size_bytes,
        moved=answer.final_url != fetched_from,
    )
    if served is not None:
        return replace(
            known,
            size_bytes=served.size_bytes,
            first_bytes=served.first_bytes,
            sha256=served.sha256,
        )
    # Unchanged: it is still the picture that it was.
    (only_hash,) = link.hashes if len(link.hashes) == 1 else ("",)
    return replace(known, sha256=known.sha256 or only_hash)


def _length(headers: Headers) -> int | None:
    """Content-Length; none in an answer that has a part of the picture."""
    if header(headers, "content-range"):
        return None
    return length_of(headers) or None


def served_of(body: bytes, sha256: str) -> Served:
    """Describe a body without decoding it."""
    return Served(sha256, len(body), first_bytes_of(body))
