"""Weights that Keras saved, without Keras: the tensor bundle of a SavedModel, as LAION published
its NSFW heads.

`variables.index` is a LevelDB table of BundleEntryProto by name
(tensorflow/core/protobuf/tensor_bundle.proto), never compressed; `variables.data-00000-of-00001`
holds the numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

MAGIC = 0xDB4775248B80FB57
FOOTER_BYTES = 48
FLOAT32 = 1  # DT_FLOAT
VARINT, EIGHT_BYTES, DELIMITED, FOUR_BYTES = 0, 1, 2, 5  # protobuf's wire types
_LAYER = re.compile(
    rb"layer_with_weights-(\d+)/(kernel|bias|mean|variance)/\.ATTRIBUTES/VARIABLE_VALUE"
)
Weights = dict[tuple[int, str], NDArray[np.float32]]


def read_bundle(index: bytes, data: bytes) -> Weights:
    """(number of the layer, kernel | bias | mean | variance) -> numbers.

    Raises ValueError or IndexError on what is no bundle.
    """
    found: Weights = {}
    for name, entry in _entries(index):
        layer = _LAYER.fullmatch(name)
        if layer:
            found[int(layer[1]), layer[2].decode()] = _numbers(entry, data)
    return found


def _numbers(entry: bytes, data: bytes) -> NDArray[np.float32]:
    fields = dict(_fields(entry))
    if fields.get(1) != FLOAT32 or fields.get(3, 0) != 0:
        raise ValueError("weights that are not float32 in one file")
    dimensions = [
        dict(_fields(_bytes(size))).get(1, 0)
        for number, size in _fields(_bytes(fields.get(2, b"")))
        if number == 2
    ]
    start, size = int(fields.get(4, 0)), int(fields.get(5, 0))
    return np.frombuffer(data[start : start + size], "<f4").reshape(
        [int(size) for size in dimensions]
    )


def _entries(index: bytes) -> Iterator[tuple[bytes, bytes]]:
    if len(index) < FOOTER_BYTES or int.from_bytes(index[-8:], "little") != MAGIC:
        raise ValueError("no index of a tensor bundle")
    footer = index[-FOOTER_BYTES:]
    _, place = _handle(footer, 0)
    (start, size), _ = _handle(footer, place)
    for _, value in _block(index, start, size):
        yield from _block(index, *_handle(value, 0)[0])


def _block(index: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values; a key is given by what differs from the one before it."""
    if index[start + size]:
        raise ValueError("a compressed index")
    block = index[start : start + size]
    end = len(block) - 4 - 4 * int.from_bytes(block[-4:], "little")
    key, place = b"", 0
    while place < end:
        shared, place = _varint(block, place)
        own, place = _varint(block, place)
        length, place = _varint(block, place)
        key = key[:shared] + block[place : place + own]
        place += own + length
        yield key, block[place - length : place]


def _handle(data: bytes, place: int) -> tuple[tuple[int, int], int]:
    start, place = _varint(data, place)
    size, place = _varint(data, place)
    return (start, size), place


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value, shift, place = value | (byte & 127) << shift, shift + 7, place + 1
        if byte < 128:
            return value, place


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protobuf message."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, place = _varint(message, place)
            yield number, value
            continue
        if kind == DELIMITED:
            size, place = _varint(message, place)
        elif kind in (EIGHT_BYTES, FOUR_BYTES):
            size = 8 if kind == EIGHT_BYTES else 4
        else:
            raise ValueError("no protobuf message")
        yield number, message[place : place + size]
        place += size


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise TypeError("a number where a message should be")
    return value
