"""Media types: whether a record holds HTML.

Sources: Fetch standard, "extract a MIME type"; MIME Sniffing standard, 4.4 "parsing a MIME type",
5.1 "interpreting the resource metadata", 7.1 "identifying a resource with an unknown MIME type".
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pairsieve.records.page import Headers

HTML_TYPES = ("text/html", "application/xhtml+xml")
# What these say is as good as nothing: MIME Sniffing, 7.
UNKNOWN_TYPES = ("unknown/unknown", "application/unknown", "*/*")
# So many bytes are looked at: MIME Sniffing, 5.2 "resource header".
SNIFFED_BYTES = 1445

_QUOTED = re.compile(r'"[^"]*"?')
_ESSENCE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+/[!#$%&'*+.^_`|~0-9A-Za-z-]+")

# The patterns for HTML of MIME Sniffing, 7.1. A blank or > must follow each, but for a comment.
_HTML_START = re.compile(
    rb"[\t\n\f\r ]*<(?:!--|(?:!DOCTYPE HTML|HTML|HEAD|SCRIPT|IFRAME|H1|DIV|FONT|TABLE|A|STYLE|TITLE"
    rb"|B|BODY|BR|P)[ >])",
    re.IGNORECASE,
)


def media_type(values: Iterable[str]) -> str:
    """The media type in lower case that the values of Content-Type say, without its parameters.

    The last valid one counts, as in browsers. Empty if none is valid or says anything.
    """
    last = ""
    for value in values:
        # A comma inside quotes does not divide values. The parameters are not needed here.
        for single in _QUOTED.sub("", value).split(","):
            essence = single.partition(";")[0].strip(" \t\r\n").lower()
            if _ESSENCE.fullmatch(essence) and essence not in UNKNOWN_TYPES:
                last = essence
    return last


def sniffs_as_html(body: bytes) -> bool:
    """Whether a body without a media type is HTML."""
    return _HTML_START.match(body, 0, SNIFFED_BYTES) is not None


def forbids_sniffing(headers: Headers) -> bool:
    """Whether the server forbids it by X-Content-Type-Options (Fetch, "determine nosniff")."""
    for name, value in headers:
        if name.lower() == "x-content-type-options":
            return value.partition(",")[0].strip(" \t").lower() == "nosniff"
    return False
