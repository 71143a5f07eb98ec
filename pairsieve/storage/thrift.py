"""Reads and writes Thrift structs in the compact protocol, as parquet files hold them.

A struct is a mapping from the numbers of its fields to their types and values. No definition of
structs is needed, so that fields that are not known here are kept as they are.
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, STRUCT = 1, 2, 3, 4, 5, 6, 7, 8, 9, 12

LONG_LIST = 15
FIXED_BYTES = {BYTE: 1, DOUBLE: 8}
MAX_NUMBER_BITS = 64

Struct = dict[int, tuple[int, Any]]
"""Number of a field -> its type and value.

Numbers are values of I16, I32 and I64. BYTE, DOUBLE and BINARY have bytes. LIST has
the type of its elements and their values.
"""


class NotReadable(ValueError):
    """Bytes are no struct of the types above."""


def read_struct(content: bytes, at: int = 0) -> tuple[Struct, int]:
    """Read a struct; returns it, and the position behind it. Raises NotReadable."""
    try:
        return _struct(content, at)
    except (IndexError, RecursionError) as error:
        raise NotReadable("a struct is cut off") from error


def _struct(content: bytes, at: int) -> tuple[Struct, int]:
    fields: Struct = {}
    number = 0
    while True:
        header = content[at]
        at += 1
        if not header:
            return fields, at
        if not header >> 4:
            raise NotReadable("a field has a number that is far from the one before")
        number += header >> 4
        kind = header & 15
        value, at = _value(content, at, kind)
        fields[number] = (kind, value)


def _value(content: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind in (I64, I32, I16):
        zigzag, at = _number(content, at)
        return (zigzag >> 1) ^ -(zigzag & 1), at
    if kind == BINARY:
        length, at = _number(content, at)
        return _piece(content, at, length)
    if kind == STRUCT:
        return _struct(content, at)
    if kind == LIST:
        return _list(content, at)
    if kind in (TRUE, FALSE):
        return kind == TRUE, at
    if kind in FIXED_BYTES:
        return _piece(content, at, FIXED_BYTES[kind])
    raise NotReadable(f"a field has the type {kind}")


def _number(content: bytes, at: int) -> tuple[int, int]:
    byte = content[at]
    at += 1
    if byte < 128:
        return byte, at
    number = byte & 127
    for shift in range(7, MAX_NUMBER_BITS, 7):
        byte = content[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
    raise NotReadable("a number is too long")


def _piece(content: bytes, at: int, length: int) -> tuple[bytes, int]:
    end = at + length
    if end > len(content):
        raise NotReadable("a text is cut off")
    return content[at:end], end


def _list(content: bytes, at: int) -> tuple[tuple[int, list[Any]], int]:
    header = content[at]
    at += 1
    length, kind = header >> 4, header & 15
    if length == LONG_LIST:
        length, at = _number(content, at)
    values = []
    for _ in range(length):
        # In a list each truth value has a byte of its own.
        value, at = _value(content, at, BYTE if kind in (TRUE, FALSE) else kind)
        values.append(value)
    return (kind, values), at


def struct_bytes(fields: Struct) -> bytes:
    """Write a struct, with its fields in the order of their numbers."""
    out = bytearray()
    _add_struct(out, fields)
    return bytes(out)


def _add_struct(out: bytearray, fields: Struct) -> None:
    before = 0
    for number in sorted(fields):
        kind, value = fields[number]
        out.append((number - before) << 4 | kind)
        before = number
        _add_value(out, kind, value)
    out.append(0)


def _add_value(out: bytearray, kind: int, value: Any) -> None:
    if kind in (I64, I32, I16):
        _add_number(out, value << 1 if value >= 0 else ~(value << 1))
    elif kind == BINARY:
        _add_number(out, len(value))
        out += value
    elif kind == STRUCT:
        _add_struct(out, value)
    elif kind == LIST:
        _add_list(out, *value)
    elif kind in FIXED_BYTES:
        out += value


def _add_number(out: bytearray, number: int) -> None:
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)


def _add_list(out: bytearray, kind: int, values: list[Any]) -> None:
    if len(values) < LONG_LIST:
        out.append(len(values) << 4 | kind)
    else:
        out.append(LONG_LIST << 4 | kind)
        _add_number(out, len(values))
    for value in values:
        _add_value(out, BYTE if kind in (TRUE, FALSE) else kind, value)
