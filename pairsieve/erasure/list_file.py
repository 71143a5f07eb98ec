"""Read files that other people hand out: hash lists, opt-out registries and erasure requests.

A file is text or parquet. Text is UTF-8 or UTF-16, with or without a byte order mark, with any
line ends, gzipped or not. It holds one entry a line, or columns separated by commas, semicolons or
tabs. A line that cannot be read is reported by its number; its content is never repeated, because
it may be personal.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from pairsieve.records.foreign import text_of
from pairsieve.storage import files
from pairsieve.web.encodings import encoding_of

PARQUET_SIGN, GZIP_SIGN = b"PAR1", b"\x1f\x8b"
DELIMITERS = (",", ";", "\t")
# Unpacked size: 15 million SHA-256 hashes. A packed file of 1 MB may unpack to 1 GB.
MAX_BYTES = 1_000_000_000
MAX_NAMED_LINES = 20  # a message names so many lines, and only counts the others

_SEPARATORS = re.compile(r"[\s_-]")

Entry = TypeVar("Entry")


class UnreadableList(ValueError):
    """A file or some of its lines cannot be read; the message names each line.

    Nothing is matched against half a list.
    """


@dataclass(frozen=True, slots=True)
class ListRow:
    """One line of a text file, or one row of a table.

    `number` counts from 1. `whole` is the whole line and `first` its first cell. `cells` maps known
    column names to the cells that are not empty; it is None when the file names no known column.
    """

    number: int
    whole: str
    first: str
    cells: Mapping[str, str] | None = None


def read_entries(
    path: str, columns: Collection[str], parse: Callable[[ListRow], Iterable[Entry]]
) -> tuple[list[Entry], list[str]]:
    """Return the entries of a file, and a message for each line that cannot be read.

    `columns` are the known column names in lower case. `parse` raises ValueError for a row that it
    cannot read. Raises UnreadableList when the file cannot be read or has no readable entry.
    """
    entries: list[Entry] = []
    problems: list[str] = []
    for row in _rows(path, columns):
        try:
            entries += parse(row)
        except ValueError as error:
            problems.append(f"line {row.number}: {error}")
    if not entries:
        reason = join_problems(problems) or "the file holds no entry"
        raise UnreadableList(f"{path}: {reason}; no line of it could be understood")
    return entries, problems


def join_problems(problems: Sequence[str]) -> str:
    """Join messages about lines into one sentence of bounded length."""
    text = "; ".join(problems[:MAX_NAMED_LINES])
    if len(problems) > MAX_NAMED_LINES:
        text += f"; and {len(problems) - MAX_NAMED_LINES:,} more lines"
    return text


def read_lines(path: str) -> list[str]:
    """Return the lines of a text file. Raises UnreadableList."""
    return _decode(path, _read_content(path)).splitlines()


def _read_content(path: str) -> bytes:
    """Return the unpacked bytes of a file, of which there may be MAX_BYTES."""
    try:
        with files.open_read(path) as stream:
            content = stream.read(MAX_BYTES + 1)
        if content.startswith(GZIP_SIGN):
            with gzip.open(io.BytesIO(content)) as unpacked:
                content = unpacked.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableList(f"{path} cannot be read ({type(error).__name__})") from None
    if len(content) > MAX_BYTES:
        raise UnreadableList(f"{path} holds more than {MAX_BYTES / 1e9:g} GB, unpacked; split it")
    return content


def _decode(path: str, content: bytes) -> str:
    try:
        return content.decode(encoding_of(content))
    except UnicodeDecodeError:
        raise UnreadableList(
            f"{path} is text in neither UTF-8 nor UTF-16; save it as `CSV UTF-8`"
        ) from None


def _rows(path: str, columns: Collection[str]) -> Iterator[ListRow]:
    content = _read_content(path)
    if content.startswith(PARQUET_SIGN):
        yield from _parquet_rows(path, content, columns)
        return
    all_lines = _decode(path, content).splitlines()
    numbered = enumerate(all_lines, start=1)
    lines = [(number, line) for number, line in numbered if _is_entry(line)]
    if not lines:
        return
    first_line = lines[0][1]
    header, delimiter = _find_header(first_line, columns)
    _check_once(path, header)
    if header:
        yield from _table_rows(path, lines, header, delimiter)
    else:
        yield from _plain_rows(lines, delimiter)


def _is_entry(line: str) -> bool:
    """Return whether a line is neither empty nor a comment."""
    text = line.strip()
    return bool(text) and not text.startswith("#")


def _plain_rows(lines: Sequence[tuple[int, str]], delimiter: str) -> Iterator[ListRow]:
    """Yield the lines of a file without a header."""
    for number, line in lines:
        cells = _split(line, delimiter)
        first = cells[0].strip() if cells else ""
        yield ListRow(number, line.strip(), first)


def _table_rows(
    path: str, lines: Sequence[tuple[int, str]], header: Sequence[str], delimiter: str
) -> Iterator[ListRow]:
    """Yield the rows below a header line, in which unknown columns have an empty name.

    A quoted cell may span several lines.
    """
    text_lines = (f"{line}\n" for _, line in lines)
    reader = csv.reader(text_lines, delimiter=delimiter)
    try:
        next(reader)  # the header
        for row in reader:
            cells: dict[str, str] = {}
            for name, cell in zip(header, row, strict=False):
                if name and cell.strip():
                    cells[name] = cell.strip()
            yield ListRow(lines[reader.line_num - 1][0], "", "", cells)
    except csv.Error:
        number = lines[reader.line_num - 1][0]
        raise UnreadableList(
            f"{path}, line {number}: this is not CSV; a quote may not be closed"
        ) from None


def _find_header(line: str, columns: Collection[str]) -> tuple[list[str], str]:
    """Return the column names in a first line, and the delimiter between its cells.

    Unknown columns get an empty name. The list is empty when no known column is named.
    """
    for delimiter in DELIMITERS:
        names = [_known_column(cell, columns) for cell in _split(line, delimiter)]
        if any(names):
            return names, delimiter
    for delimiter in DELIMITERS:
        if delimiter in line:
            return [], delimiter
    return [], ","


def _known_column(name: str, columns: Collection[str]) -> str:
    """Return the known column that a file's column is, or an empty name.

    Capital letters, spaces, hyphens and underscores do not matter: NSRL's lists have `SHA-256`.
    """
    letters = _SEPARATORS.sub("", name).lower()
    for column in columns:
        if letters == _SEPARATORS.sub("", column):
            return column
    return ""


def _check_once(path: str, names: Sequence[str]) -> None:
    """Raise UnreadableList where a file has a known column twice: one would hide the other."""
    for name in names:
        if name and names.count(name) > 1:
            raise UnreadableList(f"{path} has two columns that mean {name}; leave one of them")


def _split(line: str, delimiter: str) -> list[str]:
    """Return the cells of a line; a line that is not CSV is one cell."""
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return [line]


def _parquet_rows(path: str, content: bytes, columns: Collection[str]) -> Iterator[ListRow]:
    try:
        table = pq.read_table(io.BytesIO(content))
    except (pa.ArrowException, OSError, ValueError):
        raise UnreadableList(
            f"{path} cannot be read: it begins like a parquet file and is none"
        ) from None
    names = [_known_column(name, columns) for name in table.column_names]
    _check_once(path, names)
    known = [position for position, name in enumerate(names) if name]
    # Without a known column the first one holds the entries, as in a text file without a header.
    positions = known or range(min(1, len(names)))
    values = [text_of(table.column(position)).to_pylist() for position in positions]
    for number, row in enumerate(zip(*values, strict=True), start=1):
        texts = [(value or "").strip() for value in row]
        if known:
            cells = {names[at]: text for at, text in zip(known, texts, strict=True) if text}
            yield ListRow(number, "", "", cells)
        elif texts[0]:
            yield ListRow(number, texts[0], texts[0])
