"""Find payment card and bank account numbers; python-stdnum checks their check digits."""

from __future__ import annotations

import re
from collections.abc import Iterator

from filters.rule import Span

# First digits of the networks (ISO/IEC 7812): Visa, Mastercard, American Express, Discover, JCB,
# Diners, UnionPay.
_CARD = re.compile(
    r"(?<![\d.,-])(?=4|5[1-5]|2[2-7]|3[0-9]|6)\d(?:[ -]?\d){11,18}(?![\d])", re.ASCII
)
_CARD_CUE = re.compile(
    r"card\b|\b(?:visa|mastercard|amex|american express|maestro|credit|debit|cvv|cvc|cc)\b"
    r"|karte|carte|tarjeta|carta|cartão|kart[ay]|kaart",
    re.IGNORECASE,
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?![A-Za-z0-9])", re.ASCII)
_GROUP_END = re.compile(r"(?<=\w)(?= |$)")


def card_spans(text: str) -> Iterator[Span]:
    """Card numbers with a correct check digit, in a text that mentions cards.

    The mention is needed because one in ten order numbers has a correct check digit by chance.
    """
    if not _CARD_CUE.search(text):
        return
    from stdnum import luhn

    for match in _CARD.finditer(text):
        digits = match[0].replace(" ", "").replace("-", "")
        if luhn.is_valid(digits):
            yield Span("CARD", match.start(), match.end())


def iban_spans(text: str) -> Iterator[Span]:
    """IBANs with correct check digits (ISO 13616)."""
    for match in _IBAN.finditer(text):
        length = _iban_length(match[0])
        if length:
            yield Span("IBAN", match.start(), match.start() + length)


def _iban_length(candidate: str) -> int | None:
    """Length of the longest valid IBAN at the start of a text; None when there is none.

    Words in capitals that follow an IBAN look like more of its groups, so each end of a group is
    tried, the last one first.
    """
    from stdnum import iban

    group_ends = [match.start() for match in _GROUP_END.finditer(candidate)]
    for end in reversed(group_ends):
        if iban.is_valid(candidate[:end], check_country=False):
            return end
    return None
