"""Files that others hand out: lists of hashes, registries of refusals, requests. One reader for all
of them.

Text in UTF-8 or UTF-16, with a byte order mark or without, any line ends, gzipped or not; one entry
a line, or columns behind commas, semicolons or tabs; or parquet. What cannot be read is named by
its line, and its content is not repeated.
"""

from __future__ import annotations

import csv
import gzip
import io
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
MAX_BYTES = 1_000_000_000  # unpacked: 15 million SHA-256; a packed file of 1 MB may hold 1 GB
MOST_NAMED = 20  # lines that a message names; of the others it says how many there are

Entry = TypeVar("Entry")


class UnreadableList(ValueError):
    """A file, or lines of it, that cannot be read: nothing is matched against half a list. The
    message names each line.
    """


@dataclass(frozen=True, slots=True)
class ListRow:
    """One line or row: its number (from 1), all of it, its first cell, and what stands in known
    columns.

    `cells` is None in a file that names no known column; else it holds the cells that are not
    empty.
    """

    number: int
    whole: str
    first: str
    cells: Mapping[str, str] | None = None


def read_entries(
    path: str, columns: Collection[str], parse: Callable[[ListRow], Iterable[Entry]]
) -> tuple[list[Entry], list[str]]:
    """The entries of a file, and for each line that cannot be read what is wrong with it.

    `columns` are the known column names, in lower case. `parse` raises ValueError for a row that it
    cannot read. Raises UnreadableList for a file that cannot be read, or of which nothing was
    understood.
    """
    entries, unread = list[Entry](), list[str]()
    for row in _rows(path, columns):
        try:
            entries += parse(row)
        except ValueError as error:
            unread.append(f"line {row.number}: {error}")
    if not entries:
        raise UnreadableList(
            f"{path}: {named(unread) or 'the file names nothing'}; nothing of it could be "
            "understood"
        )
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
            content = stream.read(MAX_BYTES + 1)
        if content.startswith(GZIP_SIGN):
            with gzip.open(io.BytesIO(content)) as unpacked:
                content = unpacked.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableList(f"{path} cannot be read ({type(error).__name__})") from None
    if len(content) > MAX_BYTES:
        raise UnreadableList(f"{path} holds more than {MAX_BYTES / 1e9:g} GB, unpacked; split it")
    return content


def _decoded(path: str, content: bytes) -> str:
    try:
        return content.decode(encoding_of(content))
    except UnicodeDecodeError:
        raise UnreadableList(
            f"{path} is text in neither UTF-8 nor UTF-16; save it as `CSV UTF-8`"
        ) from None


def _rows(path: str, columns: Collection[str]) -> Iterator[ListRow]:
    content = _content(path)
    if content.startswith(PARQUET_SIGN):
        yield from _parquet_rows(path, content, columns)
        return
    lines = [
        (number, line)
        for number, line in enumerate(_decoded(path, content).splitlines(), start=1)
        if _is_said(line)
    ]
    head, delimiter = _head(lines[0][1], columns) if lines else ([], ",")
    yield from _table_rows(path, lines, head, delimiter) if head else _plain_rows(lines, delimiter)


def _is_said(line: str) -> bool:
    """Whether a line is neither empty nor a comment."""
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _plain_rows(lines: Sequence[tuple[int, str]], delimiter: str) -> Iterator[ListRow]:
    for number, line in lines:
        cells = _cells(line, delimiter)
        yield ListRow(number, line.strip(), cells[0].strip() if cells else "")


def _table_rows(
    path: str, lines: Sequence[tuple[int, str]], head: Sequence[str], delimiter: str
) -> Iterator[ListRow]:
    """The rows below a head line; a quoted cell may go over several lines. `head` names unknown
    columns as empty.
    """
    reader = csv.reader((f"{line}\n" for _, line in lines), delimiter=delimiter)
    try:
        next(reader)
        for cells in reader:
            known = {
                name: cell.strip()
                for name, cell in zip(head, cells, strict=False)
                if name and cell.strip()
            }
            yield ListRow(lines[reader.line_num - 1][0], "", "", known)
    except csv.Error:
        raise UnreadableList(
            f"{path}, line {lines[reader.line_num - 1][0]}: this is no CSV; a quote may be left "
            "open"
        ) from None


def _head(line: str, columns: Collection[str]) -> tuple[list[str], str]:
    """The known column names of a first line (others empty), none where it names none; and what
    stands between its cells.
    """
    for delimiter in DELIMITERS:
        names = [
            name if name in columns else ""
            for name in (cell.strip().lower() for cell in _cells(line, delimiter))
        ]
        if any(names):
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
    except (pa.ArrowException, OSError, ValueError):
        raise UnreadableList(
            f"{path} cannot be read: it begins like a parquet file and is none"
        ) from None
    names = [name.strip().lower() for name in table.column_names]
    known = [at for at, name in enumerate(names) if name in columns]
    cells = [text_of(table.column(at)).to_pylist() for at in known or range(min(1, len(names)))]
    for number, row in enumerate(zip(*cells, strict=True), start=1):
        said = [(value or "").strip() for value in row]
        if known:
            yield ListRow(
                number,
                "",
                "",
                {names[at]: value for at, value in zip(known, said, strict=True) if value},
            )
        elif said[0]:
            yield ListRow(number, said[0], said[0])
