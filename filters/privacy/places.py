"""Find street addresses with a house number, and public IP addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address

from filters.rule import Span

_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IP = re.compile(
    rf"(?<![\w.:])(?:{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}(?![\w]|\.\d)|(?=[0-9a-f:]{{0,43}}?(?:::|(?:[0-9a-f]{{1,4}}:){{7}}))[0-9a-f]{{1,4}}:[0-9a-f:]{{2,38}}(?![\w:]))",
    re.IGNORECASE | re.ASCII,
)
# words before four numbers with dots that are a version or a section, and no IP address
_NUMBERED = re.compile(
    r"(?:\bversion|\bver|\bv|\brelease|\bbuild|\bfirmware|\bdriver|\bsection|\bchapter|\bfigure|\bkapitel|\bsección|§)[\s.:]*$",
    re.IGNORECASE,
)

_VERSION_WINDOW = 16  # characters before an IP address in which such a word may stand

_NAME = r"[^\W\d_a-z][\w'’.-]*"  # begins with a letter that is not lower case
_LINK = (
    r"(?:d[eiaou]s? |de la |del |della |dei |van (?:de[nr]? )?|la |le |les |el |los |las "
    r"|und |y |e )"
)
_NAMES = rf"(?:{_LINK}|d['’]|l['’]|dell['’])*{_NAME}(?:[ -]{_LINK}?{_NAME}){{0,4}}"
_NUMBER = r"(?!(?:19|20)\d\d\b)\d{1,4}(?: ?[a-zA-Z]\b)?"
_ENGLISH = (
    r"\d{1,5}[A-Za-z]?(?:-\d{1,4})? (?:[NSEW]\.? )?"
    r"(?:(?:[A-Z][\w'’.-]+|\d{1,3}(?:st|nd|rd|th)) ){1,4}"
    r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Place|Pl"
    r"|Square|Sq|Terrace|Way|Crescent|Close|Parkway|Pkwy|Highway|Hwy|Mews)"
    r"\b(?: (?:NW|NE|SW|SE|N|S|E|W)\b)?"
)
_FRENCH = (
    r"\d{1,4}(?: ?(?:bis|ter)\b)?,? "
    rf"(?:[Rr]ue|[Aa]venue|[Aa]v\.|[Bb]oulevard|[Bb]d|[Pp]lace|[Cc]hemin"
    rf"|[Aa]llée|[Ii]mpasse|[Qq]uai) {_NAMES}"
)
_WAY_FIRST = (
    r"(?:[Cc]alle|C/|[Aa]venida|[Aa]vda\.?|Av\.|[Pp]aseo|[Pp]laza|Via|[Vv]iale"
    r"|Piazza(?:le)?|Corso|Largo|Vicolo|Rua|R\.|Travessa|Praça|Alameda"
    rf"|ul\.|al\.|pl\.|os\.|[Uu]lica|[Aa]leja) ?{_NAMES}(?:,? (?:n[º°.] ?)?){_NUMBER}"
)
_WAY_LAST = (
    r"(?:[^\W\d_a-z][^\W\d_]{2,}(?:straße|strasse|str\.|gasse|allee|platz|ufer|damm|weg|straat|gracht|laan|plein|kade|singel|dijk|steeg)"
    rf"|[^\W\d_a-z][\w-]{{2,}} (?:Straße|Strasse|Str\.|Allee|Platz|Ufer|Damm|Weg|Ring)) {_NUMBER}"
)
_BEFORE_POSTCODE = (
    rf"(?:Am|An de[rn]|Auf de[rm]|Im|In der|Zu[mr]|Unter de[nr]) {_NAMES} "
    r"\d{1,3}[a-z]?(?=,? (?:D-)?\d{5}\b)"
)
_ADDRESS = re.compile(
    rf"(?<![\w./])(?:{_ENGLISH}|{_FRENCH}|{_WAY_FIRST}|{_WAY_LAST}|{_BEFORE_POSTCODE})(?!\w)"
)


def ip_spans(text: str) -> Iterator[Span]:
    """Public IP addresses; numbers of versions and sections, which look the same, are left out."""
    for match in _IP.finditer(text):
        window_start = max(0, match.start() - _VERSION_WINDOW)
        is_numbering = _NUMBERED.search(text, window_start, match.start())
        if not is_numbering and _is_public(match[0]):
            yield Span("IP", match.start(), match.end())


def _is_public(written: str) -> bool:
    try:
        return ip_address(written).is_global
    except ValueError:
        return False


def address_spans(text: str) -> Iterator[Span]:
    """Streets with a house number, as written in en, de, fr, es, it, nl, pt and pl."""
    for match in _ADDRESS.finditer(text):
        yield Span("ADDRESS", match.start(), match.end())
