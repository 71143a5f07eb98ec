"""Find payment card and bank account numbers; python-stdnum checks their check digits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from filters.rule import Span


@dataclass(frozen=True, slots=True)
class Network:
    """A payment network: the first digits of its cards, and how many digits they have.

    `alone`: how many digits are enough where no word in the text speaks of cards. A number of
    another length is then too often something else: 13 digits are those of a barcode.
    """

    first_digits: str
    lengths: tuple[int, ...]
    alone: tuple[int, ...]


# ISO/IEC 7812 leaves the ranges to the networks; these are the ones that they publish.
NETWORKS = {
    "visa": Network("4", (13, 16, 19), (16, 19)),
    "mastercard": Network(
        "5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720", (16,), (16,)
    ),
    "american express": Network("3[47]", (15,), (15,)),
    "discover": Network("6011|64[4-9]|65", (16, 17, 18, 19), (16,)),
    "diners club": Network("30[0-5]|309|3[689]", (14, 15, 16, 17, 18, 19), (14, 16)),
    "jcb": Network("35(?:2[89]|[3-8])", (16, 17, 18, 19), (16,)),
    "jcb, older": Network("2131|1800", (15,), ()),
    "unionpay": Network("62|81", (16, 17, 18, 19), (16, 17, 18, 19)),
    "maestro": Network(
        "50|5[6-9]|6", (12, 13, 14, 15, 16, 17, 18, 19), ()
    ),
    "maestro, its own ranges": Network(
        "50(?:18|19|20|33|38)|5[68]|63(?:04|31|33)|67", (), (14, 16, 17, 18, 19)
    ),
    "mir": Network("220[0-4]", (16, 17, 18, 19), (16,)),
    "elo": Network("50(?:4175|6[67]|9)", (16,), (16,)),
    "rupay": Network("60|8[12]|508", (16,), (16,)),
    "troy": Network("9792", (16,), ()),
}  # fmt: skip

_FIRST_DIGITS = re.compile("|".join(network.first_digits for network in NETWORKS.values()))
CARD_FORM = re.compile(
    r"(?<![A-Za-z0-9_])(?<!\d[.,-])[1-69]\d{2}(?:[ -]?\d){9,16}(?![\d_]|[.,-]\d)", re.ASCII
)
_CARD_CUE = re.compile(
    r"card\b|\b(?:visa|master ?card|amex|american express|maestro|credit|debit|cvv|cvc|cc|cb|pan"
    r"|jcb|diners|discover|union ?pay|mir|elo|rupay|troy|girocard|bancontact|dankort|pas)\b"
    r"|kart|carte\b|tarjeta|\bcart(?:a|ão|ao|ões)\b|kaart|\bkort|kort\b|luottokort|kártya|карт|мир\b"
    r"|κάρτα|κάρτας|بطاقة|کارت|כרטיס|信用卡|卡号|卡號|银行卡|銀行卡|カード|카드|कार्ड|บัตร|\bthẻ\b|कार्ड",
    re.IGNORECASE,
)
# Words before a number that say what it is, and no card.
_OTHER_NUMBER = re.compile(
    r"(?:\b(?:order|serial|s/?n|invoice|tracking|track|item|isbn|ean|upc|gtin|asin|sku|part|model"
    r"|ref|reference|imei|iccid|lot|barcode|ticket|article|art|artikel|bestellung|commande|pedido"
    r"|ordine|заказ|id)|#)[\s.:#-]{0,3}(?:no|nr|num|number|n)?[\s.:#№-]{0,3}$",
    re.IGNORECASE,
)
_OTHER_WINDOW = 24
_ATTACHED = re.compile(r"[/_.=@&?-]")  # a part of a URL or of the name of a file
_SUFFIX = re.compile(r"[_@&=]|\.\w|-\w")

IBAN_FORM = re.compile(
    r"(?<![A-Za-z0-9])[A-Z]{2}[ -]?\d{2}(?:[ -]?[A-Z0-9]){11,30}(?![A-Za-z0-9])",
    re.ASCII | re.IGNORECASE,
)
_GROUP_END = re.compile(r"(?<=\w)(?=[ -]|$)")


def card_spans(text: str) -> Iterator[Span]:
    """Card numbers with a correct check digit.

    One number in ten has a correct check digit by chance. So a text has to mention cards, or the
    number begins and is as long as those of a network, and no word before it calls it something
    else.
    """
    is_about_cards = None
    for match in CARD_FORM.finditer(text):
        digits = match[0].replace(" ", "").replace("-", "")
        # most are dates and numbers of articles, which the first digits tell in no time
        if not (_FIRST_DIGITS.match(digits) and _has_correct_check_digit(digits)):
            continue
        if is_about_cards is None:
            is_about_cards = _CARD_CUE.search(text) is not None
        if _is_of_network(digits, is_about_cards) and (
            is_about_cards or _stands_alone(text, match)
        ):
            yield Span("CARD", match.start(), match.end())


def _has_correct_check_digit(digits: str) -> bool:
    from stdnum import luhn

    return bool(luhn.is_valid(digits))


def _is_of_network(digits: str, is_about_cards: bool) -> bool:
    """Whether a network has cards with these first digits and so many."""
    for network in NETWORKS.values():
        # Without a word about cards only the lengths count that few other numbers have.
        lengths = network.lengths if is_about_cards else network.alone
        if len(digits) in lengths and re.match(network.first_digits, digits):
            return True
    return False


def _stands_alone(text: str, match: re.Match[str]) -> bool:
    """Whether nothing is attached to a number, and no word before it calls it something else."""
    start, end = match.span()
    if _ATTACHED.match(text, max(0, start - 1), start) or _SUFFIX.match(text, end):
        return False
    return _OTHER_NUMBER.search(text, max(0, start - _OTHER_WINDOW), start) is None


def iban_spans(text: str) -> Iterator[Span]:
    """IBANs with correct check digits and the length and form of their country (ISO 13616)."""
    for match in IBAN_FORM.finditer(text):
        length = _iban_length(match[0])
        if length:
            yield Span("IBAN", match.start(), match.start() + length)


def _iban_length(candidate: str) -> int | None:
    """Length of the longest valid IBAN at the start of a text; None when there is none.

    Words that follow an IBAN look like more of its groups, so each end of a group is tried, the
    last one first.
    """
    from stdnum import iban

    group_ends = [match.start() for match in _GROUP_END.finditer(candidate)]
    for end in reversed(group_ends):
        written = candidate[:end]
        # almost all candidates are words and end here: the rest of the check takes longer
        if _has_iban_digits(written) and iban.is_valid(written, check_country=False):
            return end
    return None


def _has_iban_digits(written: str) -> bool:
    """Whether the check digits are right, which stand behind the country (ISO 13616)."""
    from stdnum.iso7064 import mod_97_10

    characters = written.replace(" ", "").replace("-", "")
    return bool(mod_97_10.is_valid(characters[4:] + characters[:4]))
