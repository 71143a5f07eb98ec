"""Find all kinds of personal data in one text.

The patterns are our own; `phonenumbers` and `python-stdnum` check what they match. On 54 hand-made
strings such a set did better than Presidio, scrubadub and datatrove's formatter, at a thirtieth of
their cost. A caption without a digit and an at-sign costs almost nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.batch import RowMask
from filters.loosened import rows_with
from filters.privacy.accounts import CARD_FORM, IBAN_FORM, card_spans, iban_spans
from filters.privacy.email import EMAIL_FORMS, email_spans, may_have_email
from filters.privacy.identity import BIRTH_FORM, birth_spans, identity_spans, may_have_identity
from filters.privacy.phone import may_have_phone, phone_spans
from filters.privacy.places import IP_FORM, address_spans, ip_spans, may_have_address
from filters.rule import Span
from filters.text_batch import TextBatch

Kind = Literal["EMAIL", "PHONE", "CARD", "IBAN", "NATIONAL_ID", "IP", "BIRTH_DATE", "ADDRESS"]
Find = Callable[[str], Iterator[Span]]

# The order is a ranking: where two kinds match the same characters, the first kind wins, because
# it is checked better.
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
_RANKS: Mapping[str, int] = {kind: rank for rank, kind in enumerate(FINDERS)}
# matches in every text with personal data other than a house number, a date or an e-mail address
_LONG_NUMBER = re.compile(
    r"\d(?:[ ./()+-]{0,3}[\dA-Za-z]){6}|::|(?:\d\.\d{0,2}){3}|[A-Z]{5}\d{4}[A-Z]"
)
_NUMBER_FINDERS: tuple[Find, ...] = (
    iban_spans,
    card_spans,
    identity_spans,
    birth_spans,
    ip_spans,
)
_DIGIT = re.compile(r"\d")
# What is in every text in which a finder finds something, beside a digit: a pattern, or a look at
# whole columns.
_FORMS: Mapping[Find, re.Pattern[str]] = {
    iban_spans: IBAN_FORM,
    card_spans: CARD_FORM,
    birth_spans: BIRTH_FORM,
    ip_spans: IP_FORM,
}
_LOOKS: Mapping[Find, Callable[[TextBatch, RowMask], RowMask]] = {
    address_spans: may_have_address,
    phone_spans: may_have_phone,
    identity_spans: may_have_identity,
}
# a file's suffix behind an address, as in anna@example.org.jpg
_SUFFIX = r"\.(?:jpe?g|png|webp|gif|s?html?|php|aspx?|jsp)"
_FILE_SUFFIX = re.compile(rf"{_SUFFIX}(?=[/?#&]|$)", re.IGNORECASE)
# What is read otherwise than it is written: escapes and suffixes. A suffix at the end may stay:
# what stands before it is found with the point behind it, too.
_CHANGED = re.compile(rf"%|{_SUFFIX}[/?#&\n]", re.IGNORECASE)
# A number that a URL names as one: in a parameter (tel=030...), as a scheme, or as an account of
# WhatsApp. In a path, "/phone/12345678.jpg" is the name of a picture.
_NAMED_NUMBER = re.compile(
    r"(?:(?<![a-z])(?:tel|phone|mobile?|telephone|telefon[oe]?|handy|whatsapp|msisdn|fax)="
    r"|^tel:|(?<![a-z])(?:whatsapp|phone|tel|mobile)[/:](?=[+ ])|(?<![a-z])wa\.me/)"
    r"(?P<number>[+ ]{0,2}\d[\d ().-]{6,18})",
    re.IGNORECASE,
)
_URL_FORMS = (*EMAIL_FORMS, IBAN_FORM, _NAMED_NUMBER)
_DATE_DIGITS = re.compile(r"\s*(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\s*")


def personal_spans(text: str) -> list[Span]:
    """All personal data in a text, sorted by position.

    Where matches overlap, the match of the kind that is first in FINDERS wins, and among matches of
    that kind the longest.

    The search is repeated on the redacted text until nothing more turns up. Redaction brings words
    that announce a number closer to other numbers, so a redacted text could otherwise still hold
    personal data.
    """
    spans = _without_overlaps(_all_spans(text))
    while spans:
        new_spans = list(_spans_after_redaction(text, spans))
        if not new_spans:
            break
        spans = _merged([*spans, *new_spans])
    return spans


def may_be_personal(texts: TextBatch) -> RowMask:
    """Which of many texts may hold personal data; `personal_spans` finds none in others.

    Texts that may hold one kind are then read by the finder of that kind alone, so that few texts
    without personal data are left.
    """
    column = texts.column
    found = _confirmed(column, may_have_email(texts), email_spans)
    with_digits = texts.with_digits & ~found
    with_forms = rows_with(column, tuple(_FORMS.values()), among=with_digits)
    for find, form in _FORMS.items():
        found |= _confirmed(column, rows_with(column, form, among=with_forms & ~found), find)
    for find, may_have in _LOOKS.items():
        found |= _confirmed(column, may_have(texts, with_digits & ~found), find)
    return found


def _confirmed(column: pa.ChunkedArray, among: RowMask, find: Find) -> RowMask:
    """Those of some texts of a column in which a finder finds something."""
    confirmed = among.copy()
    rows = np.flatnonzero(among)
    cells = column.take(pa.array(rows)).to_pylist()
    confirmed[rows] = [any(find(text)) for text in cells]
    return confirmed


def _all_spans(text: str) -> Iterator[Span]:
    """Matches of every kind; they may overlap."""
    yield from email_spans(text)
    # every other kind has a digit, and most captions have none
    if not _DIGIT.search(text):
        return
    yield from address_spans(text)
    yield from phone_spans(text)
    finders = _NUMBER_FINDERS if _LONG_NUMBER.search(text) else (birth_spans,)
    for find in finders:
        yield from find(text)


def _spans_after_redaction(text: str, spans: Sequence[Span]) -> Iterator[Span]:
    """Matches in the redacted text, at their positions in the unredacted one.

    A match that lies within a bracket of the redaction is left out.
    """
    redacted, origins = _redacted(text, spans)
    for match in _all_spans(redacted):
        start, end = origins[match.start].start, origins[match.end - 1].end
        before = bisect_right(spans, start, key=lambda span: span.start)
        # a match that a known span covers is only the bracket which stands for that span
        if before == 0 or end > spans[before - 1].end:
            yield Span(match.kind, start, end)


def _redacted(text: str, spans: Sequence[Span]) -> tuple[str, list[Span]]:
    """The redacted text and, for each of its characters, the part of `text` that it stands for.

    A character of a bracket stands for the whole redacted span, any other one for itself.
    """
    redacted = ""
    origins: list[Span] = []
    end = 0  # of the span before
    for span in spans:
        redacted += text[end : span.start]
        origins += _single_characters(end, span.start)
        bracket = f"[{span.kind}]"
        redacted += bracket
        origins += [span] * len(bracket)
        end = span.end
    redacted += text[end:]
    origins += _single_characters(end, len(text))
    return redacted, origins


def _single_characters(start: int, end: int) -> list[Span]:
    return [Span("", position, position + 1) for position in range(start, end)]


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Merge spans that overlap; the kind that is first in FINDERS names the result."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda s: s.start):
        if merged and span.start < merged[-1].end:
            last = merged.pop()
            kind = min(last.kind, span.kind, key=_RANKS.__getitem__)
            merged.append(Span(kind, last.start, max(last.end, span.end)))
        else:
            merged.append(span)
    return merged


def _without_overlaps(spans: Iterable[Span]) -> list[Span]:
    """Leave out each span that overlaps a better one; sorted by position.

    A kind that is earlier in FINDERS is better, and of one kind a longer span is.
    """
    best_first = sorted(set(spans), key=lambda s: (_RANKS[s.kind], s.start - s.end, s.start))
    kept: list[Span] = []  # sorted by position
    for span in best_first:
        index = bisect_left(kept, span.start, key=lambda other: other.start)
        overlaps_previous = index > 0 and kept[index - 1].end > span.start
        overlaps_next = index < len(kept) and span.end > kept[index].start
        if not (overlaps_previous or overlaps_next):
            kept.insert(index, span)
    return kept


def kinds_in_url(url: str) -> set[Kind]:
    """The kinds of personal data in a URL: e-mail addresses, IBANs, and named phone numbers.

    A number counts only where the URL names it as one (`tel=`, `wa.me/`): digits alone are usually
    the name of a picture, and so are those in a folder `phone/`.
    """
    text = _as_text(url)
    kinds: set[Kind] = set()
    if any(email_spans(text)):
        kinds.add("EMAIL")
    if any(iban_spans(text)):
        kinds.add("IBAN")
    named = _NAMED_NUMBER.search(text)
    if named and not _DATE_DIGITS.fullmatch(named["number"]):
        kinds.add("PHONE")
    return kinds


def _as_text(url: str) -> str:
    """A URL without escapes, and without the suffix of a file."""
    return _FILE_SUFFIX.sub("", unquote(url).replace("+", " "))


def may_be_in_url(urls: pa.ChunkedArray) -> RowMask:
    """Which URLs of a column may hold personal data; `kinds_in_url` finds none in others."""
    texts = pc.replace_substring(urls, "+", " ")
    found = rows_with(texts, (*_URL_FORMS, _CHANGED))
    rows = np.flatnonzero(found)
    found[rows] = [bool(kinds_in_url(url)) for url in urls.take(pa.array(rows)).to_pylist()]
    return found
