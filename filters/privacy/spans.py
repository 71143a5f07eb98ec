"""All kinds of personal data in one text.

Patterns of our own with `phonenumbers` and `python-stdnum` behind them: on 54 hand-made strings
such a set did better than Presidio, scrubadub and datatrove's formatter at a thirtieth of their
cost. Captions without a digit or an at-sign pass unread.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Literal
from urllib.parse import unquote

from filters.privacy.accounts import card_spans, iban_spans
from filters.privacy.contact import email_spans, phone_spans
from filters.privacy.identity import birth_spans, identity_spans
from filters.privacy.places import address_spans, ip_spans
from filters.rule import Span

Kind = Literal["EMAIL", "PHONE", "CARD", "IBAN", "NATIONAL_ID", "IP", "BIRTH_DATE", "ADDRESS"]
Find = Callable[[str], Iterator[Span]]

# Where two kinds fit the same characters, the first one names them.
FINDERS: Mapping[Kind, Find] = {
    "EMAIL": email_spans,
    "IBAN": iban_spans,
    "CARD": card_spans,
    "NATIONAL_ID": identity_spans,
    "BIRTH_DATE": birth_spans,
    "IP": ip_spans,
    "PHONE": phone_spans,
    "ADDRESS": address_spans,
}
_ORDER = {kind: place for place, kind in enumerate(FINDERS)}
# what any number but that of a house has
_LONG_NUMBER = re.compile(r"\d(?:[ ./()+-]{0,3}[\dA-Z]){6}|::|(?:\d\.\d{0,2}){3}")
_NUMBERS: tuple[Find, ...] = (
    iban_spans,
    card_spans,
    identity_spans,
    birth_spans,
    ip_spans,
    phone_spans,
)
_DIGIT = re.compile(r"\d")
# anna@example.org.jpg
_FILE_SUFFIX = re.compile(
    r"\.(?:jpe?g|png|webp|gif|s?html?|php|aspx?|jsp)(?=[/?#&]|$)", re.IGNORECASE
)
_NAMED_NUMBER = re.compile(
    r"(?:tel|phone|mobile|whatsapp|wa\.me)[=:/]+[+ ]?(\d[\d ()-]{6,16})", re.IGNORECASE
)


def personal_spans(text: str) -> list[Span]:
    """Personal data in a text, by place; of findings that overlap, the longest of the most telling
    kind.

    Looks again at what redaction would leave until there is no more, so that a redacted text holds
    nothing that would be found in it: words that announce a number stand nearer to others there.
    """
    found = _apart(_spans(text))
    while found:
        more = list(_left_over(text, found))
        if not more:
            break
        found = _united([*found, *more])
    return found


def _spans(text: str) -> Iterator[Span]:
    yield from email_spans(text)
    if not _DIGIT.search(text):
        return
    yield from address_spans(text)
    finders = _NUMBERS if _LONG_NUMBER.search(text) else (birth_spans,)
    yield from chain.from_iterable(find(text) for find in finders)


def _left_over(text: str, found: Sequence[Span]) -> Iterator[Span]:
    """What is found in the redacted text, where it stands in the whole one; what lies in a bracket
    of redaction alone is none.
    """
    redacted, places = "", list[Span]()  # of each character of the redacted text
    end = 0
    for span in [*found, Span("", len(text), len(text))]:
        redacted += text[end : span.start] + (bracket := f"[{span.kind}]" if span.kind else "")
        places += [Span("", i, i + 1) for i in range(end, span.start)] + [span] * len(bracket)
        end = span.end
    for span in _spans(redacted):
        whole = Span(span.kind, places[span.start].start, places[span.end - 1].end)
        place = bisect_right(found, whole.start, key=lambda known: known.start)
        if place == 0 or whole.end > found[place - 1].end:
            yield whole


def _united(found: Iterable[Span]) -> list[Span]:
    """One span for all that overlap, of the kind that is checked best."""
    united: list[Span] = []
    for span in sorted(found, key=lambda s: s.start):
        if united and span.start < united[-1].end:
            last = united.pop()
            kind = min(last.kind, span.kind, key=lambda kind: _ORDER[kind])  # type: ignore[index]
            span = Span(kind, last.start, max(last.end, span.end))  # noqa: PLW2901
        united.append(span)
    return united


def _apart(found: Iterable[Span]) -> list[Span]:
    """No two at the same place: the kind that is checked best has it."""
    taken: list[Span] = []  # by place
    for span in sorted(set(found), key=lambda s: (_ORDER[s.kind], s.start - s.end, s.start)):  # type: ignore[index]
        place = bisect_left(taken, span.start, key=lambda other: other.start)
        before_is_apart = place == 0 or taken[place - 1].end <= span.start
        behind_is_apart = place == len(taken) or span.end <= taken[place].start
        if before_is_apart and behind_is_apart:
            taken.insert(place, span)
    return taken


def kinds_in_url(url: str) -> set[Kind]:
    """What a URL gives away: an e-mail address, an account, a number that it calls one. Digits
    alone name pictures.
    """
    text = _FILE_SUFFIX.sub("", unquote(url).replace("+", " "))
    kinds: set[Kind] = {
        kind for kind, find in (("EMAIL", email_spans), ("IBAN", iban_spans)) if any(find(text))
    }  # type: ignore[misc]
    return kinds | ({"PHONE"} if _NAMED_NUMBER.search(text) else set())
