"""Files that others hand out: lists of hashes, registries of refusals, requests. One reader for all of them.

Text in UTF-8 or UTF-16, with a byte order mark or without, any line ends, gzipped or not; one entry a line, or columns behind
commas, semicolons or tabs; or parquet. What cannot be read is named by its line, and its content is not repeated.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from storage import files

PARQUET_SIGN, GZIP_SIGN = b"PAR1", b"\x1f\x8b"
DELIMITERS = (",", ";", "\t")
MOST_NAMED = 20  # lines that a message names; of the others it says how many there are
_MARKS = ((BOM_UTF8, "utf-8"), (BOM_UTF16_LE, "utf-16-le"), (BOM_UTF16_BE, "utf-16-be"))

Entry = TypeVar("Entry")


class UnreadableList(ValueError):
    """A file, or lines of it, that cannot be read: nothing is matched against half a list. The message names each line."""


@dataclass(frozen=True, slots=True)
class ListRow:
    """One line or row: its number (from 1), all of it, its first cell, and its cells by known column.

    In a file that names none of the known columns `cells` is empty.
    """

    number: int
    whole: str
    first: str
    cells: Mapping[str, str]


def read_entries(path: str, columns: Collection[str], parse: Callable[[ListRow], Iterable[Entry]]) -> tuple[list[Entry], list[str]]:
    """The entries of a file, and for each line that cannot be read what is wrong with it.

    `columns` are the known column names, in lower case. `parse` raises ValueError for a row that it cannot read. Raises
    UnreadableList for a file that cannot be read, or of which nothing was understood.
    """
    entries, unread = list[Entry](), list[str]()
    for row in _rows(path, columns):
        try:
            entries += parse(row)
        except ValueError as error:
            unread.append(f"line {row.number}: {error}")
    if not entries:
        raise UnreadableList(f"{path}: {named(unread) or 'the file names nothing'}; nothing of it could be understood")
    return entries, unread


def named(unread: Sequence[str]) -> str:
    """The lines that cannot be read, in one sentence."""
    more = f"; and {len(unread) - MOST_NAMED:,} lines more" if len(unread) > MOST_NAMED else ""
    return "; ".join(unread[:MOST_NAMED]) + more


def read_lines(path: str) -> list[str]:
    """The lines of a text file. Raises UnreadableList."""
    return _decoded(path, _content(path)).splitlines()


def _content(path: str) -> bytes:
    try:
        with files.open_read(path) as stream:
            content = stream.read()
        return gzip.decompress(content) if content.startswith(GZIP_SIGN) else content
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableList(f"{path} cannot be read ({type(error).__name__})") from None


def _decoded(path: str, content: bytes) -> str:
    try:
        for mark, encoding in _MARKS:
            if content.startswith(mark):
                return content.removeprefix(mark).decode(encoding)
        if b"\0" in content[:64]:  # UTF-16 of plain letters has a nought in every pair of bytes
            return content.decode("utf-16-be" if content[:1] == b"\0" else "utf-16-le")
        return content.decode()
    except UnicodeDecodeError:
        raise UnreadableList(f"{path} is text in neither UTF-8 nor UTF-16; save it as `CSV UTF-8`") from None


def _rows(path: str, columns: Collection[str]) -> Iterator[ListRow]:
    content = _content(path)
    if content.startswith(PARQUET_SIGN):
        yield from _parquet_rows(path, content, columns)
        return
    lines = [(number, line) for number, line in enumerate(_decoded(path, content).splitlines(), start=1) if line.strip()]
    lines = [(number, line) for number, line in lines if not line.lstrip().startswith("#")]
    head, delimiter = _head(lines[0][1], columns) if lines else ([], ",")
    for number, line in lines[1:] if head else lines:
        cells = _cells(line, delimiter)
        by_column = {name: cells[i].strip() for i, name in enumerate(head) if name in columns and i < len(cells) and cells[i].strip()}
        yield ListRow(number, line.strip(), cells[0].strip() if cells else "", by_column)


def _head(line: str, columns: Collection[str]) -> tuple[list[str], str]:
    """The column names of a first line that names a known one, and what stands between them."""
    for delimiter in DELIMITERS:
        names = [name.strip().lower() for name in _cells(line, delimiter)]
        if any(name in columns for name in names):
            return names, delimiter
    return [], next((delimiter for delimiter in DELIMITERS if delimiter in line), ",")


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return [line]


def _parquet_rows(path: str, content: bytes, columns: Collection[str]) -> Iterator[ListRow]:
    try:
        table = pq.read_table(io.BytesIO(content))
    except (pa.ArrowException, OSError):
        raise UnreadableList(f"{path} cannot be read: it begins like a parquet file and is none") from None
    known = {name: name.strip().lower() for name in table.column_names if name.strip().lower() in columns}
    first = table.column_names[0] if table.column_names else ""
    for number, row in enumerate(table.select(list(known) or [first]).to_pylist() if first else (), start=1):
        cells = {known[name]: str(value).strip() for name, value in row.items() if name in known and value not in (None, "")}
        whole = "" if known else str(row[first] or "").strip()
        yield ListRow(number, whole, whole, cells)
