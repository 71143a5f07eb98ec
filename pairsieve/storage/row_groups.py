"""Writes a parquet file anew and copies the row groups that stay the same, byte for byte.

pyarrow cannot copy row groups: it decodes and encodes all rows of a file to take out one. A file
that it has written consists of

    PAR1 | row groups | column indexes | offset indexes | footer | length of the footer | PAR1

Nothing but the footer and the offset indexes says where something lies. So a row group may move if
its positions in these two are moved with it. The result is, byte for byte, what pyarrow would have
written (tests/storage/test_row_groups.py). Only what the footer keeps for pyarrow itself stays as
it was: Arrow's schema, in which elements of lists may have another name than in parquet.

A file with anything else in it is refused, before anything is written: other parts, unknown fields,
bloom filters, encryption. The numbers of fields are those of
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Protocol

from pairsieve.storage.thrift import (
    BINARY,
    I32,
    I64,
    LIST,
    STRUCT,
    NotReadable,
    Struct,
    read_struct,
    struct_bytes,
)

MAGIC = b"PAR1"
WRITER = b"parquet-cpp-arrow version "
END_BYTES = 8  # the length of the footer, and MAGIC
MAX_FOOTER_BYTES = 32_000_000
COPIED_BYTES = 2**20  # at a time

# FileMetaData
VERSION, SCHEMA, ALL_ROWS, ROW_GROUPS, CREATED_BY, COLUMN_ORDERS = 1, 2, 3, 4, 6, 7
# RowGroup
CHUNKS, ROWS, FIRST_PAGE, ORDINAL = 1, 3, 5, 7
# ColumnChunk
UNUSED_POSITION, DESCRIPTION = 2, 3
OFFSET_INDEX, OFFSET_INDEX_BYTES, COLUMN_INDEX, COLUMN_INDEX_BYTES = 4, 5, 6, 7
# ColumnMetaData
CHUNK_BYTES, DATA_PAGE, DICTIONARY_PAGE = 7, 9, 11
# OffsetIndex, PageLocation
PAGES, PAGE = 1, 1

# Fields that are known not to hold a position, or whose position is moved here.
FILE_FIELDS, ROW_GROUP_FIELDS, CHUNK_FIELDS = range(1, 8), range(1, 8), range(2, 8)
DESCRIPTION_FIELDS = {*range(1, 10), 11, 12, 13, 16, 17}
OFFSET_INDEX_FIELDS, PAGE_FIELDS = (1, 2), (1, 2, 3)


class OtherLayout(ValueError):
    """A file is not laid out as above; the message says how."""


class Target(Protocol):
    """A stream to write to that knows how many bytes were written."""

    def write(self, content: bytes, /) -> int: ...

    def tell(self) -> int: ...


@dataclass(frozen=True)
class RowGroup:
    """A row group: its fields in the footer, its indexes, and where its bytes lie.

    `column_indexes` has a column's index or None; `offset_indexes` has one for each column.
    """

    fields: Struct
    start: int
    end: int
    column_indexes: Sequence[bytes | None]
    offset_indexes: Sequence[Struct]

    @property
    def chunks(self) -> list[Struct]:
        """The fields of its columns."""
        return _structs(self.fields, CHUNKS)

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return int(self.fields[ROWS][1])

    def move(self, by: int) -> None:
        """Change all positions; those of the indexes are set when they are written."""
        _move(self.fields, FIRST_PAGE, by)
        for chunk in self.chunks:
            description = chunk[DESCRIPTION][1]
            _move(description, DATA_PAGE, by)
            _move(description, DICTIONARY_PAGE, by)
        for index in self.offset_indexes:
            for page in _structs(index, PAGES):
                _move(page, PAGE, by)


def _move(fields: Struct, number: int, by: int) -> None:
    if number in fields:
        fields[number] = (I64, fields[number][1] + by)


def _structs(fields: Struct, number: int) -> list[Struct]:
    """The structs in a field that is a list of them."""
    kind, value = fields[number]
    if kind != LIST or value[0] != STRUCT:
        raise OtherLayout(f"the field {number} is no list of structs")
    structs: list[Struct] = value[1]
    return structs


@dataclass(frozen=True)
class Layout:
    """The fields of a file's footer, and its row groups."""

    footer: Struct
    groups: Sequence[RowGroup]

    def check_goes_with(self, other: Layout) -> None:
        """Raise OtherLayout unless row groups of another file can stand in this one."""
        for layout in (self, other):
            kind, writer = layout.footer.get(CREATED_BY, (BINARY, b""))
            if kind != BINARY or not writer.startswith(WRITER):
                raise OtherLayout("the file was not written by pyarrow")
        for number in (VERSION, SCHEMA, COLUMN_ORDERS):
            if self.footer.get(number) != other.footer.get(number):
                raise OtherLayout("the file has another schema")


@dataclass(frozen=True)
class WholeFile:
    """The bytes of a file, and how it is laid out."""

    content: bytes
    layout: Layout


def whole_file(content: bytes) -> WholeFile:
    """Read how a file is laid out that is in memory. Raises OtherLayout."""
    return WholeFile(content, read_layout(io.BytesIO(content)))


def read_layout(stream: IO[bytes]) -> Layout:
    """Read how a file is laid out. Raises OtherLayout."""
    try:
        return _read_layout(stream)
    except (NotReadable, KeyError, TypeError, AttributeError) as error:
        raise OtherLayout(f"the footer cannot be read: {error!r}") from error


def _read_layout(stream: IO[bytes]) -> Layout:
    size = stream.seek(0, io.SEEK_END)
    end = _bytes_at(stream, max(0, size - END_BYTES), size)
    footer_bytes = int.from_bytes(end[: -len(MAGIC)], "little")
    footer_start = size - END_BYTES - footer_bytes
    if not end.endswith(MAGIC) or footer_start < len(MAGIC) or footer_bytes > MAX_FOOTER_BYTES:
        raise OtherLayout("there is no footer, or it is too long")
    footer = _all_of(_bytes_at(stream, footer_start, size - END_BYTES), FILE_FIELDS)
    row_groups = _structs(footer, ROW_GROUPS)
    bounds = list(_bounds(row_groups))
    _, indexes_start = bounds[-1] if bounds else (0, len(MAGIC))
    if not 0 <= footer_start - indexes_start <= MAX_FOOTER_BYTES:
        raise OtherLayout("the footer does not lie behind the row groups")
    indexes = io.BytesIO(_bytes_at(stream, indexes_start, footer_start))
    column_indexes = _indexes(row_groups, indexes, indexes_start, COLUMN_INDEX, COLUMN_INDEX_BYTES)
    offset_indexes = _indexes(row_groups, indexes, indexes_start, OFFSET_INDEX, OFFSET_INDEX_BYTES)
    if indexes.read(1):
        raise OtherLayout("something lies between the indexes and the footer")
    groups = []
    for number, (start, stop) in enumerate(bounds):
        offsets = [_offset_index(content) for content in offset_indexes[number]]
        groups.append(RowGroup(row_groups[number], start, stop, column_indexes[number], offsets))
    return Layout(footer, groups)


def _bytes_at(stream: IO[bytes], start: int, end: int) -> bytes:
    stream.seek(start)
    return stream.read(end - start)


def _all_of(content: bytes, known: Collection[int]) -> Struct:
    """The struct that these bytes are, and nothing else."""
    fields, _ = read_struct(content)
    if struct_bytes(fields) != content:
        raise OtherLayout("a struct is written in an unusual way")
    _check_known(fields, known)
    return fields


def _check_known(fields: Struct, known: Collection[int]) -> None:
    unknown = [number for number in fields if number not in known]
    if unknown:
        raise OtherLayout(f"a struct has the fields {unknown}")


def _bounds(row_groups: Sequence[Struct]) -> Iterator[tuple[int, int]]:
    """Where each row group begins and ends. They follow each other, and so do their columns."""
    position = len(MAGIC)
    for row_group in row_groups:
        _check_known(row_group, ROW_GROUP_FIELDS)
        start = position
        for chunk in _structs(row_group, CHUNKS):
            _check_known(chunk, CHUNK_FIELDS)
            description: Struct = chunk[DESCRIPTION][1]
            _check_known(description, DESCRIPTION_FIELDS)
            first_page = description.get(DICTIONARY_PAGE) or description[DATA_PAGE]
            if first_page != (I64, position) or chunk[UNUSED_POSITION] != (I64, 0):
                raise OtherLayout("a column does not begin where the one before ends")
            position += description[CHUNK_BYTES][1]
        if row_group.get(FIRST_PAGE, (I64, start)) != (I64, start):
            raise OtherLayout("a row group does not begin with its first column")
        yield start, position


def _indexes(
    row_groups: Sequence[Struct], indexes: IO[bytes], base: int, position: int, length: int
) -> list[list[bytes | None]]:
    """The indexes of one kind, for each column of each row group; they follow each other."""
    contents: list[list[bytes | None]] = []
    for row_group in row_groups:
        contents.append([])
        for chunk in _structs(row_group, CHUNKS):
            if position not in chunk:
                contents[-1].append(None)
                continue
            if chunk[position] != (I64, base + indexes.tell()):
                raise OtherLayout("an index does not begin where the one before ends")
            contents[-1].append(indexes.read(max(0, chunk[length][1])))
    return contents


def _offset_index(content: bytes | None) -> Struct:
    if content is None:
        raise OtherLayout("a column has no page index")
    index = _all_of(content, OFFSET_INDEX_FIELDS)
    for page in _structs(index, PAGES):
        _check_known(page, PAGE_FIELDS)
    return index


class Splicer:
    """Writes row groups of a file, and others, into a new file. `finish` must be called."""

    def __init__(self, layout: Layout, source: IO[bytes], target: Target) -> None:
        self._layout, self._source, self._target = layout, source, target
        self._groups: list[RowGroup] = []
        target.write(MAGIC)

    def copy(self, number: int) -> None:
        """Copy a row group of the file."""
        group = self._layout.groups[number]
        self._copy_bytes(self._source, group)

    def add(self, file: WholeFile) -> None:
        """Add all row groups of another file. Raises OtherLayout."""
        self._layout.check_goes_with(file.layout)
        stream = io.BytesIO(file.content)
        for group in file.layout.groups:
            self._copy_bytes(stream, group)

    def _copy_bytes(self, source: IO[bytes], group: RowGroup) -> None:
        by = self._target.tell() - group.start
        source.seek(group.start)
        left = group.end - group.start
        while left:
            piece = source.read(min(left, COPIED_BYTES))
            if not piece:
                raise OtherLayout("the file is cut off")
            self._target.write(piece)
            left -= len(piece)
        if by:
            group.move(by)
        if ORDINAL in group.fields:
            kind, _ = group.fields[ORDINAL]
            group.fields[ORDINAL] = (kind, len(self._groups))
        self._groups.append(group)

    def finish(self) -> int:
        """Write the indexes and the footer; returns how many rows the file has."""
        for group in self._groups:
            self._add_indexes(group, group.column_indexes, COLUMN_INDEX, COLUMN_INDEX_BYTES)
        for group in self._groups:
            contents = [struct_bytes(index) for index in group.offset_indexes]
            self._add_indexes(group, contents, OFFSET_INDEX, OFFSET_INDEX_BYTES)
        rows = sum(group.rows for group in self._groups)
        fields = [group.fields for group in self._groups]
        written = {ALL_ROWS: (I64, rows), ROW_GROUPS: (LIST, (STRUCT, fields))}
        footer = struct_bytes({**self._layout.footer, **written})
        self._target.write(footer + len(footer).to_bytes(4, "little") + MAGIC)
        return rows

    def _add_indexes(
        self, group: RowGroup, contents: Sequence[bytes | None], position: int, length: int
    ) -> None:
        for chunk, content in zip(group.chunks, contents, strict=True):
            if content is not None:
                chunk[position] = (I64, self._target.tell())
                chunk[length] = (I32, len(content))
                self._target.write(content)
