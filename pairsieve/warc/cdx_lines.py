"""Lines of indexes that name records: by CDXJ, and by CDX with its columns.

Formats:
- CDXJ of pywb and Common Crawl, and the lines of JSON of Common Crawl's index server;
- CDXJ of OpenWayback, which names a record by `ref`, and CDX with a heading, both on
  https://iipc.github.io/warc-specifications/specifications/;
- CDX without a heading, as OutbackCDX and jwarc write it, by the number of its columns, as pywb
  reads it (warcserver/index/cdxobject.py, CDX_FORMATS).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from pairsieve.warc.record import MAX_OFFSET

# It stands behind a blank, or begins the line: the URL before it may have braces of its own.
_JSON = re.compile(rb"(?<!\S)\{.*", re.DOTALL)
# The first character of a heading parts the columns; some writers leave it out.
_HEADING = re.compile(r"(\W)CDX\1(.+)|CDX(\W)(.+)")
_REFERENCE = re.compile(r"(?:warcfile:)++([^#]++)#(\d+)")
_NUMBER = re.compile(r"\s*([0-9]{1,19})(?:\.0)?\s*")

# The letters of CDX for the columns that name a record.
FILE, OFFSET, LENGTH = "g", "V", "S"
_NINE, _TEN, _ELEVEN = "NbamskrVg", "NbamskrMVg", "NbamskrMSVg"
# Three more columns name the record whose payload a revisit repeats.
_BY_NUMBER = {len(letters) + more: letters for letters in (_NINE, _TEN, _ELEVEN) for more in (0, 3)}


class Named(NamedTuple):
    """A record that a row names; `length` is 0 where the row does not tell it."""

    file: str
    offset: int
    length: int


def named(file: object, offset: object, length: object) -> Named | None:
    """The record with these values; None if they name none."""
    if not isinstance(file, str) or file in ("", "-"):
        return None
    start = _number(offset)
    size = 0 if length in (None, "", "-") else _number(length)
    if start is None or size is None or start + size > MAX_OFFSET:
        return None
    return Named(file, start, size)


def _number(value: object) -> int | None:
    number = _NUMBER.fullmatch(str(value))
    return int(number[1]) if number else None


def named_in_lines(lines: Iterable[bytes]) -> Iterator[Named | None]:
    """The record that each line names, or None. Headings and empty lines are passed over."""
    heading: _Heading | None = None
    for line in lines:
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if not text.strip() or text.startswith("!"):
            continue
        new_heading = _heading_of(text)
        if new_heading is not None:
            heading = new_heading
        elif heading is not None:
            yield _in_columns(text.split(heading.delimiter), heading.letters)
        else:
            words = text.split()
            yield _in_json(line) or _in_columns(words, _BY_NUMBER.get(len(words), ""))


class _Heading(NamedTuple):
    """What the first line of CDX says of the others: which letter each column has."""

    delimiter: str
    letters: Sequence[str]


def _heading_of(line: str) -> _Heading | None:
    match = _HEADING.fullmatch(line)
    if match is None:
        return None
    delimiter = match[1] or match[3]
    return _Heading(delimiter, (match[2] or match[4]).strip().split(delimiter))


def _in_columns(values: Sequence[str], letters: Sequence[str]) -> Named | None:
    columns = dict(zip(letters, values, strict=False))
    return named(columns.get(FILE), columns.get(OFFSET), columns.get(LENGTH))


def _in_json(line: bytes) -> Named | None:
    """The record that the JSON of a line names. What stands before the JSON is not read."""
    found = _JSON.search(line)
    if found is None:
        return None
    try:
        fields = json.loads(found[0])
    except (ValueError, RecursionError):
        return None
    reference = _REFERENCE.fullmatch(str(fields.get("ref")))
    if reference and "filename" not in fields:
        return named(reference[1], reference[2], fields.get("rle"))
    return named(fields.get("filename"), fields.get("offset"), fields.get("length"))
