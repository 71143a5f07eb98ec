"""Read weights that Keras saved, without Keras: the tensor bundle of a SavedModel.

LAION published its NSFW heads in this format. A bundle has two files:

- `variables.index`: a LevelDB table, never compressed. It maps the name of each array to a
  BundleEntryProto (tensorflow/core/protobuf/tensor_bundle.proto).
- `variables.data-00000-of-00001`: the numbers of all arrays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

# LevelDB's table format: doc/table_format.md in its repository
MAGIC = 0xDB4775248B80FB57  # the last 8 bytes of a table
FOOTER_BYTES = 48
BLOCK_TRAILER_BYTES = 4  # the number of restart points, behind these points of 4 bytes each
# tensorflow/core/framework/types.proto: DT_FLOAT
FLOAT32 = 1
# fields of BundleEntryProto, of its TensorShapeProto, and of that one's Dim
ENTRY_DTYPE, ENTRY_SHAPE, ENTRY_SHARD, ENTRY_OFFSET, ENTRY_SIZE = 1, 2, 3, 4, 5
SHAPE_DIM, DIM_SIZE = 2, 1
VARINT, EIGHT_BYTES, DELIMITED, FOUR_BYTES = 0, 1, 2, 5  # protobuf's wire types
_LAYER = re.compile(
    rb"layer_with_weights-(\d+)/(kernel|bias|mean|variance)/\.ATTRIBUTES/VARIABLE_VALUE"
)
Weights = dict[tuple[int, str], NDArray[np.float32]]
"""(number of the layer, kernel | bias | mean | variance) -> array."""


def read_bundle(index: bytes, data: bytes) -> Weights:
    """Read the weights of a bundle from the content of its two files.

    Raises ValueError, TypeError or IndexError when they are no bundle.
    """
    weights: Weights = {}
    for name, entry in _entries(index):
        layer = _LAYER.fullmatch(name)
        if layer:
            weights[int(layer[1]), layer[2].decode()] = _array(entry, data)
    return weights


def _array(entry: bytes, data: bytes) -> NDArray[np.float32]:
    """The array that a BundleEntryProto describes."""
    fields = dict(_fields(entry))
    if fields.get(ENTRY_DTYPE) != FLOAT32 or fields.get(ENTRY_SHARD, 0) != 0:
        raise ValueError("the weights are not float32 numbers in one file")
    shape: list[int] = []
    for number, dimension in _fields(_bytes(fields.get(ENTRY_SHAPE, b""))):
        if number == SHAPE_DIM:
            dimension_fields = dict(_fields(_bytes(dimension)))
            shape.append(int(dimension_fields.get(DIM_SIZE, 0)))
    start, size = int(fields.get(ENTRY_OFFSET, 0)), int(fields.get(ENTRY_SIZE, 0))
    return np.frombuffer(data[start : start + size], "<f4").reshape(shape)


def _entries(index: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and BundleEntryProto of each array."""
    if len(index) < FOOTER_BYTES or int.from_bytes(index[-8:], "little") != MAGIC:
        raise ValueError("this is no index of a tensor bundle")
    # the footer holds the handles of the metaindex block, which is not needed, and the index block
    footer = index[-FOOTER_BYTES:]
    _, position = _handle(footer, 0)
    (start, size), _ = _handle(footer, position)
    # each value of the index block is the handle of a data block
    for _, value in _block(index, start, size):
        (data_start, data_size), _ = _handle(value, 0)
        yield from _block(index, data_start, data_size)


def _block(index: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block.

    A key is stored as the number of bytes that it shares with the key before, and its other bytes.
    """
    # the byte behind a block is its compression; 0 stands for none
    if index[start + size]:
        raise ValueError("the index is compressed, which TensorFlow never does")
    block = index[start : start + size]
    restart_points = int.from_bytes(block[-BLOCK_TRAILER_BYTES:], "little")
    end = len(block) - BLOCK_TRAILER_BYTES - 4 * restart_points
    key, position = b"", 0
    while position < end:
        shared_bytes, position = _varint(block, position)
        key_bytes, position = _varint(block, position)
        value_bytes, position = _varint(block, position)
        key = key[:shared_bytes] + block[position : position + key_bytes]
        position += key_bytes + value_bytes
        yield key, block[position - value_bytes : position]


def _handle(data: bytes, position: int) -> tuple[tuple[int, int], int]:
    """The handle (start, size) of a block, and the position behind it."""
    start, position = _varint(data, position)
    size, position = _varint(data, position)
    return (start, size), position


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """A number in groups of 7 bits, the lowest first, and the position behind it."""
    value = 0
    shift = 0
    while True:
        byte = data[position]
        value |= (byte & 127) << shift
        shift += 7
        position += 1
        # the highest bit says that another byte follows
        if byte < 128:
            return value, position


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The number and the value of each field of a protobuf message."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        # All other values are bytes. Only their length is told in different ways.
        if wire_type == DELIMITED:
            size, position = _varint(message, position)
        elif wire_type == EIGHT_BYTES:
            size = 8
        elif wire_type == FOUR_BYTES:
            size = 4
        else:
            raise ValueError("this is no protobuf message")
        yield number, message[position : position + size]
        position += size


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise TypeError("there is a number where a message should be")
    return value
