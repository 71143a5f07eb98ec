"""Find telephone numbers.

A number counts

- behind a word that announces it, in whatever form (`filters/privacy/phone_words.py`);
- in international form (+CC ...), where it is valid;
- without a word where its form is that of a telephone number alone: (212) 555-0123.

`phonenumbers` (Google's libphonenumber) says which numbers are valid.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from filters.batch import RowMask
from filters.loosened import rows_with
from filters.privacy.phone_words import WINDOW, Announced, announced, may_announce
from filters.rule import Span
from filters.text_batch import TextBatch

_GAP = r"[\s().\-/\u2010-\u2013\u00b7]"
_NOTHING_BEFORE = r"(?<![A-Za-z0-9_])"
_DIGITS = re.compile(
    rf"{_NOTHING_BEFORE}(?<!\d[.,])(?!24/7|7/24)(?:\(\s?)?(?:[+＋]\s?)?\(?\d(?:{_GAP}{{0,3}}\d){{3,19}}(?!\d)"
)
# "ext. 12", "x12", "-12" is part of the digits; words of other languages for an extension
_EXTENSION = re.compile(
    r"[\s,;]{0,2}(?:ext(?:ension|n)?|x|durchwahl|dw|доб|ramal|int|interno|poste|wew|anexo"
    r"|toestel|anknytning|内線|转|轉|내선)\.?[\s:]{0,2}\d{1,6}(?!\w)",
    re.IGNORECASE,
)
KNOWN_NUMBERS = 8_192  # the candidates of one hostile caption, in the regions that are tried
_LIST = re.compile(r"\s?/\s?|\s{2,3}|\s[-–]\s")  # between two numbers of a list
_BLANK = re.compile(r"\s+")
_INTERNATIONAL = re.compile(r"\(?\s?[+＋]|00[1-9]")
# The same anywhere in a text. A number begins where _DIGITS does, or behind a bracket, a blank or
# another sign of a list.
_INTERNATIONAL_FORMS = (
    re.compile(r"[+＋]\s?\(?\d"),
    re.compile(rf"{_NOTHING_BEFORE}00[1-9]"),
)

# What looks like a telephone number: dates, spans of years, times of day, and digits before a unit.
_YEAR = r"(?:1[5-9]|20)\d\d"
_ONE_YEAR = re.compile(_YEAR)
_MONTH, _DAY = "(?:0?[1-9]|1[0-2])", r"(?:0?[1-9]|[12]\d|3[01])"
_TIME = r"(?:[-. ]?(?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d)?)?"
_NO_NUMBER = re.compile(
    # years: 2019-2020, 1914/18, 2010 2011 2012
    rf"(?<!\d){_YEAR}\s?[-–/]\s?(?:{_YEAR}|\d\d)(?!\d|[-. ]\d)|^\(?{_YEAR}(?:\s{_YEAR})+$"
    # dates: 2021-05-03, 3.5.2021, 20210503-170455
    rf"|(?<!\d){_YEAR}([-./ ]){_MONTH}\1{_DAY}(?!\d)|(?<!\d){_DAY}([-./ ]){_MONTH}\2{_YEAR}(?!\d)"
    rf"|^(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]){_TIME}$"
    # decimals: 8.6 14.2
    r"|(?<!\d)\d{1,2}\.\d(?!\d)"
    # a version of a program, in another form than four pairs: 10.0.19041.1
    r"|^(?!\d\d(?:\.\d\d){3}$)\d{1,3}\.\d{1,2}\.\d{1,5}\.\d{1,4}$"
)
_UNIT = re.compile(
    r"\s?(?:[x×*]\s?\d|[%°€$£¥₽]|:\d|[,.]\d{1,2}(?!\d)"
    r"|[-–]?(?:mm|cm|km|kg|mg|ml|mah|wh|[kmg]hz|hz|kw|hp|ps|px|gb|tb|mb|rpm|dpi|lm|lumen|watt|volt"
    r"|pcs|pieces|stück|usd|eur|euros?|dollars?|zł|years?|jahre|ans|años|inch|ft)(?!\w)"
    r"|[wvmglkа-я](?![\w'’]))",
    re.IGNORECASE,
)
_MEASURE = re.compile(r"[$€£¥₽×]\s?$|\d\s?[x×]\s?$", re.IGNORECASE)
_MOST_MEASURED = 9  # digits of a quantity: longer ones are numbers whatever follows
_COLON = re.compile(r"[:：=.]\s?$")
_CLAUSE_END = re.compile(r"\s?(?:$|[^\w\s/–-]|[/–-](?!\d)|\n)")
_FIRST_OF_CLAUSE = re.compile(r"(?:^|[^\w\s])\s*[^\W\d_]+\s*$")

# Forms that only telephone numbers have, and the region whose numbers they must be.
_FORMS = (
    # North America: 780-999-2181, 416.555.0182, 1-800-555-0199
    ("US", re.compile(r"(?:1[-. ])?[2-9]\d\d(?P<sign>[-.])[2-9]\d\d(?P=sign)\d{4}")),
    # with the area in brackets: (212) 555-0123
    ("US", re.compile(r"(?:1[-. ])?\([2-9]\d\d\)\s?[2-9]\d\d[-. ]\d{4}")),
    # Russia: 8 (912) 345-67-89, 8-800-123-45-67
    ("RU", re.compile(r"[78][- ]?(?:\(\d{3}\)|\d{3})[- ]\d{3}-\d\d-\d\d")),
    # Brazil: (11) 96123-4567
    ("BR", re.compile(r"\([1-9]\d\) ?9?\d{4}-\d{4}")),
    # France: 01 23 45 67 89
    ("FR", re.compile(r"0[1-9](?P<sign>[ .])\d\d(?:(?P=sign)\d\d){3}")),
    # Japan, Korea, Israel: 090-1234-5678
    ("JP", re.compile(r"0\d{1,3}-\d{2,4}-\d{4}")),
    ("KR", re.compile(r"0\d{1,2}-\d{3,4}-\d{4}")),
    ("IL", re.compile(r"0\d{1,2}-\d{3}-\d{4}")),
    # the United Kingdom: (020) 7946 0123
    ("GB", re.compile(r"\(0\d{2,4}\) ?\d{3,4} ?\d{3,4}")),
)
# Words before a number that name something else.
_OTHER_NUMBER = re.compile(
    r"(?:\b(?:part|item|model|sku|order|ref|serial|s/?n|isbn|ean|upc|oem|art(?:ikel)?|id|lot"
    r"|invoice|tracking|patent)|№|#)[\s.:#-]{0,3}(?:n(?:umber|um|o|r)?)?[\s.:#-]{0,3}$",
    re.IGNORECASE,
)
_OTHER_WINDOW = 20
_ATTACHED = ("-", "=", "@", "&")  # before a number that is a part of something longer
_NOTHING_ATTACHED = re.compile(r"$|\s|[.,;:!?](?:\s|$)|[)\]/|]|[^\W\da-zA-Z_]")

# Regions whose national numbers count some words behind an announcing word.
_REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "PT", "BR", "MX", "NL", "PL")
_LEAST_OF_LONG = 9  # digits that are enough where their form is that of a number
LEAST_DIGITS, MOST_DIGITS = 7, 15  # of a number in full (ITU-T E.164: at most 15)


def may_have_phone(texts: TextBatch, among: RowMask) -> RowMask:
    """Which of many texts may have a telephone number; `phone_spans` finds none in others.

    Only texts of the mask `among` are looked at.
    """
    with_digits = rows_with(texts.column, _DIGITS, among=among)
    found = rows_with(texts.column, (*_INTERNATIONAL_FORMS, *_own_forms()), among=with_digits)
    return found | may_announce(texts, with_digits & ~found)


@lru_cache(1)
def _own_forms() -> tuple[re.Pattern[str], ...]:
    """The patterns of _FORMS where a number may begin."""
    return tuple(re.compile(rf"{_NOTHING_BEFORE}{form.pattern}") for _, form in _FORMS)


def phone_spans(text: str) -> Iterator[Span]:
    """Telephone numbers with their + and their extension."""
    for match in _DIGITS.finditer(text):
        for start, end in _numbers_of_a_list(text, match.start(), match.end()):
            span = _number(text, start, end)
            if span is not None:
                yield span


def _numbers_of_a_list(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Split digits where each part is long enough to be a number."""
    for border in _LIST.finditer(text, start, end):
        before, after = text[start : border.start()], text[border.end() : end]
        if min(_count_digits(before), _count_digits(after)) >= LEAST_DIGITS - 1:
            yield start, border.start()
            start = border.end()
    yield start, end


def _number(text: str, start: int, end: int) -> Span | None:
    """The span of a telephone number among these digits; None when there is none."""
    start, end = _without_loose_brackets(text, start, end)
    if _is_year(text, start, end) or _is_measure(text, start, end):
        return None
    written = text[start:end]
    if _INTERNATIONAL.match(written):
        valid_end = _end_of_international(text, start, end)
        if valid_end:
            return _with_extension(text, start, valid_end)
    if _NO_NUMBER.search(written):
        return None
    return _span_of_own_form(text, start, end) or _announced_span(text, start, end)


def _announced_span(text: str, start: int, end: int) -> Span | None:
    """The span of a number that words announce."""
    how = announced(text, start, end)
    if how == Announced.NOT:
        return None
    if how == Announced.CLEARLY or (how == Announced.WEAKLY and _is_enough(text, start, end)):
        return _with_extension(text, start, _end_within_most_digits(text, start, end))
    if how == Announced.FAR and not _is_written_as_number(text[start:end]):
        return None
    return _national_near(text, start, end)


def _is_enough(text: str, start: int, end: int) -> bool:
    """Whether digits are a number behind an ambiguous word and a blank.

    "Nokia phone 3310" and "phone 3310 blue" name goods: short digits must be all that stands in
    their clause besides the word, others end their clause or are written as numbers are.
    """
    number = _count_digits(text[start:end])
    ends_clause = _CLAUSE_END.match(text, end) is not None
    if number < LEAST_DIGITS:
        return (
            ends_clause
            and _FIRST_OF_CLAUSE.search(text[max(0, start - WINDOW) : start]) is not None
        )
    is_long = number >= _LEAST_OF_LONG and _is_written_as_number(text[start:end])
    return ends_clause or is_long


def _is_written_as_number(written: str) -> bool:
    return written[0] in "0(+＋" or "-" in written


def _without_loose_brackets(text: str, start: int, end: int) -> tuple[int, int]:
    """Leave out an opening bracket whose other half is not among the digits."""
    while text[start] == "(" and ")" not in text[start:end]:
        start += 1
    return start, end


def _is_year(text: str, start: int, end: int) -> bool:
    """Whether digits are a year; behind a colon they may be a number all the same."""
    if _ONE_YEAR.fullmatch(text, start, end) is None:
        return False
    return _COLON.search(text, max(0, start - 3), start) is None


def _is_measure(text: str, start: int, end: int) -> bool:
    """Whether digits are a price, a size or a quantity by the signs around them."""
    number = _count_digits(text[start:end])
    if number > _MOST_MEASURED:
        return False
    if number >= LEAST_DIGITS and _EXTENSION.match(text, end):
        return False
    return bool(_UNIT.match(text, end) or _MEASURE.search(text, max(0, start - 4), start))


def _count_digits(text: str) -> int:
    return sum(map(str.isdigit, text))


def _end_within_most_digits(text: str, start: int, end: int) -> int:
    """The last blank before which no more digits stand than the longest number has."""
    if _count_digits(text[start:end]) <= MOST_DIGITS:
        return end
    blanks = [match.start() for match in _BLANK.finditer(text, start, end)]
    fitting = [at for at in blanks if _count_digits(text[start:at]) <= MOST_DIGITS]
    return fitting[-1] if fitting else end


def _with_extension(text: str, start: int, end: int) -> Span:
    extension = _EXTENSION.match(text, end)
    if extension:
        end = extension.end()
    return Span("PHONE", start, end)


def _end_of_international(text: str, start: int, end: int) -> int | None:
    """Where a valid international number ends; None when these digits begin with none.

    Further digits can stand behind the number, so each blank is tried as its end, the last first.
    """
    ends = [end, *reversed([match.start() for match in _BLANK.finditer(text, start, end)])]
    for candidate in ends:
        written = text[start:candidate]
        if _count_digits(written) < LEAST_DIGITS - 1:
            return None
        if _is_valid(re.sub(r"^\(?00", "+", written), None):
            return candidate
    return None


def _span_of_own_form(text: str, start: int, end: int) -> Span | None:
    """The span of a number in a form that only telephone numbers have."""
    if text[start - 1 : start] in _ATTACHED:
        return None
    if _OTHER_NUMBER.search(text, max(0, start - _OTHER_WINDOW), start):
        return None
    for place in _possible_starts(text, start, end):
        for region, form in _FORMS:
            match = form.match(text, place, end)
            if match and _stands_alone(text, match.end()) and _is_of_region(match[0], region):
                return _with_extension(text, *match.span())
    return None


def _is_of_region(number: str, region: str) -> bool:
    return _is_valid(number, region) and not (region == "FR" and _is_ascending(number))


def _stands_alone(text: str, end: int) -> bool:
    """Whether nothing is attached to the end of a number, such as the suffix of a file."""
    return _NOTHING_ATTACHED.match(text, end) is not None


def _is_ascending(number: str) -> bool:
    """Whether the pairs of digits only grow, as the numbers of a lottery do."""
    pairs = re.findall(r"\d\d", number)
    return pairs == sorted(pairs)


def _national_near(text: str, start: int, end: int) -> Span | None:
    """A valid national number some words behind an announcing word."""
    for place in _possible_starts(text, start, end):
        written = text[place:end]
        if _count_digits(written) < LEAST_DIGITS or _NO_NUMBER.search(written):
            continue
        if any(_is_valid(written, region) for region in _REGIONS):
            return _with_extension(text, place, end)
    return None


def _possible_starts(text: str, start: int, end: int) -> Iterator[int]:
    """Where a number can start: in "2 bedrooms 24 800 356 9377" another one stands before it."""
    yield start
    for blank in _BLANK.finditer(text, start, end):
        yield blank.end()


@lru_cache(KNOWN_NUMBERS)
def _is_valid(number: str, region: str | None) -> bool:
    """Whether a number is one of a region (of any, with +CC and no region).

    A search repeats itself on the redacted text, and tries a number in several regions: so it is
    remembered for a while.
    """
    import phonenumbers

    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False
