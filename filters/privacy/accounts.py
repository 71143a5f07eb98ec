"""Payment cards and bank accounts: their check digits, by python-stdnum."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stdnum import iban, luhn

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
    """Card numbers with a right check digit, where the text speaks of cards: any tenth order number
    has that digit too.
    """
    if not _CARD_CUE.search(text):
        return
    for match in _CARD.finditer(text):
        if luhn.is_valid(match[0].replace(" ", "").replace("-", "")):
            yield Span("CARD", match.start(), match.end())


def iban_spans(text: str) -> Iterator[Span]:
    """Account numbers of the length that their country has, with the right check digits (ISO
    13616).
    """
    for match in _IBAN.finditer(text):
        ends = (end.start() for end in reversed(list(_GROUP_END.finditer(match[0]))))
        found = next(
            (end for end in ends if iban.is_valid(match[0][:end], check_country=False)), None
        )
        if found:
            yield Span("IBAN", match.start(), match.start() + found)
