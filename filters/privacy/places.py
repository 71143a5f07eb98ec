"""Find street addresses with a house number, and public IP addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address

from filters.batch import RowMask
from filters.loosened import rows_with
from filters.rule import Span
from filters.text_batch import TextBatch

_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
IP_FORM = re.compile(
    rf"(?<![\w.:])(?:{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}(?![\w]|\.\d)|(?=[0-9a-f:]{{0,43}}?(?:::|(?:[0-9a-f]{{1,4}}:){{7}}))[0-9a-f]{{1,4}}:[0-9a-f:]{{2,38}}(?![\w:]))",
    re.IGNORECASE | re.ASCII,
)
# words before four numbers with dots that are a version or a section, and no IP address
_NUMBERED = re.compile(
    r"(?:\bversion|\bver|\bv|\brelease|\bbuild|\bfirmware|\bdriver|\bsection|\bchapter|\bfigure|\bkapitel|\bsección|§)[\s.:]*$",
    re.IGNORECASE,
)
_VERSION_WINDOW = 16  # characters before an IP address in which such a word may stand
# words around an IP address; four small numbers without one of these are a version of a program
_NETWORK = re.compile(
    r"\b(?:ip|ipv4|dns|server|host|ping|address|addr|adresse|login|visitor|traceroute|from|at"
    r"|blocked|banned|resolver|nameserver|gateway|proxy|router|subnet|inet\w*)\b|//",
    re.IGNORECASE,
)
_NETWORK_WINDOW = 24  # characters before and behind an IP address
_MOST_OF_VERSION = 63  # hardly any number of a version is larger, three in four of an address are

_NAME = r"[^\W\d_a-z][\w'’.-]*"  # begins with a letter that is not lower case
_LINK = (
    r"(?:d[eiaou]s? |de la |del |della |dei |van (?:de[nr]? )?|la |le |les |el |los |las "
    r"|und |y |e )"
)
_NAMES = rf"(?:{_LINK}|d['’]|l['’]|dell['’])*{_NAME}(?:[ -]{_LINK}?{_NAME}){{0,4}}"
_NUMBER = r"(?!(?:19|20)\d\d\b)\d{1,4}(?:[-/]\d{1,3}\b)?(?: ?[a-zA-Z]\b)?"
# the flat, behind the number of the house
_FLAT = r"(?:,? (?:Puerta|Piso|Piano|Apt\.|Appartamento|Interno|Scala|Esc\.|Andar|m\.) ?\d{1,4}\b)?"
# Words that no street is named after: what a number counts ("4 Wheel Drive", "24 Inch Oak Way").
_COUNTED = (
    r"Wheel|Door|Hard|Flash|External|Internal|Usb|Ssd|Disk|Pen|Thumb|Tape|[KMGT]b|Inch|Piece|Pieces"
    r"|Pcs|Pack|Set|Car|Cars|Star|Stars|Bedrooms?|Beds?|Bath|Million|Billion|Dollar|Hundred"
    r"|Thousand|Volts?|Watts?|Holes?|Speed|Best|Top|Years?|Minutes?|Hours?|Days?|Weeks?|Months?"
    r"|Times|Things|Ways|Reasons|Tips|Ideas|Places|Wonders|Seater|Person|People|Player|Colou?rs?"
    r"|Cylinder|Cab|Convertible|Sedan|Coupe|Most|Great|Amazing|Beautiful|Famous|Ring|Level|Tier"
    r"|Layer|Lane|Row|Line|Button|Sided|Stage|Step|Part|Season|Episode|Track|Piston|Stroke|Foot"
    r"|Feet|Meters?|Metres?|Km|Mm|Cm|Kg|Oz|Lb|Mah|Hz|Ghz|Mhz|Rpm|Hp|Ct|Pin|Port|Core|Bit|Light|Art|Deco|Vintage|Retro|Style"
)
_COUNTING = re.compile(rf"\d+\w? (?:Way\b|.*\b(?:{_COUNTED})\b)", re.IGNORECASE)
_UNIT_IN_HOUSE = r"(?:Apt|Apartment|Suite|Ste|Unit|Flat)\.? ?#?\w{1,6}"
_STREET = (
    r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Place|Pl"
    r"|Square|Sq|Terrace|Way|Crescent|Close|Parkway|Pkwy|Highway|Hwy|Mews"
    r"|Circle|Cir|Trail|Loop|Pike|Grove|Gardens|Alley|Turnpike|Tpke)"
)
_ENGLISH = (
    rf"\d{{1,5}}[A-Za-z]?(?:-\d{{1,4}})? (?:[NSEW]\.? )?"
    r"(?:(?:[A-Z][\w'’.-]+|\d{1,3}(?:st|nd|rd|th)) ){1,4}"
    rf"(?:{_STREET}\b\.?(?: (?:NW|NE|SW|SE|N|S|E|W)\b)?(?:,? {_UNIT_IN_HOUSE})?|{_UNIT_IN_HOUSE})"
)
_FRENCH = (
    r"\d{1,4}(?: ?(?:bis|ter)\b)?,? "
    rf"(?:[Rr]ue|[Aa]venue|[Aa]v\.|[Bb]oulevard|[Bb]d|[Pp]lace|[Cc]hemin"
    rf"|[Aa]llée|[Ii]mpasse|[Qq]uai) {_NAMES}"
)
_WAY_FIRST = (
    r"(?:[Cc]alle|C/|[Aa]venida|[Aa]vda\.?|Av\.|[Pp]aseo|[Pp]laza|Via|[Vv]iale"
    r"|Piazza(?:le)?|Corso|Largo|Vicolo|Rua|R\.|Travessa|Praça|Alameda"
    r"|Pasaje|Ronda|Camino|Carretera|Glorieta|Rambla|Callejón|Cañada|Cuesta|Urbanización"
    r"|Contrada|Strada|Borgo|Stretto|Rotonda|Estrada|Avenue|Praceta|Calçada|Ladeira|Alameda"
    rf"|ul\.|al\.|pl\.|os\.|[Uu]lica|[Aa]leja) ?{_NAMES}(?:,? (?:n[º°.] ?)?){_NUMBER}"
)
_WAY_LAST = (
    r"(?:[^\W\d_a-z][^\W\d_]{2,}(?:straße|strasse|str\.|gasse|allee|platz|ufer|damm|weg|straat|gracht|laan|plein|kade|singel|dijk|steeg)"
    rf"|[^\W\d_a-z][\w'-]{{2,40}}-(?:Straße|Strasse|Str\.|Allee|Platz|Ufer|Damm|Weg|Gasse)"
    rf"|[^\W\d_a-z][\w-]{{2,}} (?:Straße|Strasse|Str\.|Allee|Platz|Ufer|Damm|Weg|Ring)) {_NUMBER}"
)
_BEFORE_POSTCODE = (
    rf"(?:Am|An de[rn]|Auf de[rm]|Im|In der|Zu[mr]|Unter de[nr]) {_NAMES} "
    r"\d{1,3}[a-z]?(?=,? (?:D-)?\d{5}\b)"
)
ADDRESS_FORM = re.compile(
    rf"(?<![\w./])(?:{_ENGLISH}|{_FRENCH}|{_WAY_FIRST}|{_WAY_LAST}|{_BEFORE_POSTCODE}){_FLAT}"
    r"(?!\w|\.[A-Z]\b)"
    # "Rundweg 12 km" is a length, "Via Appia 312 a.C." a year
    r"(?! ?(?:km|m|mm|cm|meter|metres?|metri|metros?|min|uhr|h|€|%"
    r"|[ad]\.c|bc|ad|[vn]\. ?chr)(?!\w))"
)


def ip_spans(text: str) -> Iterator[Span]:
    """Public IP addresses; numbers of versions and sections, which look the same, are left out."""
    for match in IP_FORM.finditer(text):
        window_start = max(0, match.start() - _VERSION_WINDOW)
        is_numbering = _NUMBERED.search(text, window_start, match.start())
        if not is_numbering and _is_public(match[0]) and not _is_version(text, match):
            yield Span("IP", match.start(), match.end())


def _is_version(text: str, match: re.Match[str]) -> bool:
    """Whether four numbers are all small, and nothing around them speaks of a network."""
    numbers = re.findall(r"\d+", match[0])
    if ":" in match[0] or any(int(number) > _MOST_OF_VERSION for number in numbers):
        return False
    before = text[max(0, match.start() - _NETWORK_WINDOW) : match.start()]
    behind = text[match.end() : match.end() + _NETWORK_WINDOW]
    return not (_NETWORK.search(before) or _NETWORK.search(behind))


def _is_public(written: str) -> bool:
    try:
        return ip_address(written).is_global
    except ValueError:
        return False


def may_have_address(texts: TextBatch, among: RowMask) -> RowMask:
    """Which of many texts may have an address; `address_spans` finds none in others.

    Only texts of the mask `among` are looked at.
    """
    return rows_with(texts.column, ADDRESS_FORM, among=among)


def address_spans(text: str) -> Iterator[Span]:
    """Streets with a house number, as written in en, de, fr, es, it, nl, pt and pl."""
    for match in ADDRESS_FORM.finditer(text):
        if not _COUNTING.match(match[0]):
            yield Span("ADDRESS", match.start(), match.end())
