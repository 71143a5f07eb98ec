"""Files of identities, 16 bytes each, grouped by bucket.

The identities of one bucket are read by two ranges of a file, and those of other buckets are not
read. So many identities are compared with few, without a shuffle, and in the memory of a block.

A file begins with a table that has one entry for each bucket (`_ENTRY`). The identities follow,
bucket by bucket. The number of buckets is not in the file: its name has to tell it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairsieve.storage import files
from pairsieve.storage.sealed import Damaged

IDENTITY_BYTES = 16
_IDENTITY = np.dtype(f"V{IDENTITY_BYTES}")

MAX_IDENTITIES = 1 << 21
"""Identities of one file: its writer holds about 50 bytes for each, 100 MB in all."""

# Files that are read at once, as far as their identities take BLOCK_BYTES in all: a store takes its
# time for each request.
FILES_AT_ONCE, BLOCK_BYTES = 256, 1 << 24

# Identities that are looked up at a time. As objects of Python they take three times the memory.
LOOKED_UP = 1 << 16

# Where the identities of a bucket begin and end, in bytes of the file, and a digest of them: with a
# changed byte a pair would count as new.
_ENTRY = np.dtype([("start", "<u8"), ("end", "<u8"), ("digest", "V8")])


@dataclass(frozen=True)
class _Slice:
    """The identities of one bucket in one file, as its entry describes them."""

    path: str
    start: int
    end: int
    digest: bytes


def write_identities(
    path: str, identities: bytes | bytearray, numbers: Sequence[int], buckets: int
) -> None:
    """Write identities in order of their buckets. Readers see the whole file or none.

    `identities` has 16 bytes for each of them, and `numbers` the number of its bucket.
    """
    number_of_each = np.asarray(numbers, dtype=np.uint32)
    # Stable, so that equal input makes equal bytes.
    order = np.argsort(number_of_each, kind="stable")
    ordered = np.frombuffer(identities, dtype=_IDENTITY)[order]
    content = ordered.view(np.uint8).data
    del order
    table = _table(content, np.bincount(number_of_each, minlength=buckets))
    with files.open_whole(path) as stream:
        stream.write(table.tobytes())
        stream.write(content)


def _table(content: memoryview, number_by_bucket: NDArray[Any]) -> NDArray[Any]:
    """The entries of a file whose identities are `content`."""
    table = np.zeros(len(number_by_bucket), dtype=_ENTRY)
    ends = np.cumsum(number_by_bucket) * IDENTITY_BYTES
    starts = ends - number_by_bucket * IDENTITY_BYTES
    table["start"] = table.nbytes + starts
    table["end"] = table.nbytes + ends
    digests = [
        _digest(bucket, content[start:end])
        for bucket, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]
    table["digest"] = np.frombuffer(b"".join(digests), dtype="V8")
    return table


def _digest(bucket: int, identities: bytes | memoryview) -> bytes:
    # With the number: else the entry of another bucket would fit its own identities.
    digest = blake2b(bucket.to_bytes(8, "big"), digest_size=8)
    digest.update(identities)
    return digest.digest()


def found_among(wanted: Iterable[bytes], paths: Sequence[str], bucket: int) -> set[bytes]:
    """Those of some identities of a bucket that at least one of the files holds.

    Raises Damaged for a file that is not what was written, and OSError.
    """
    wanted, found = set(wanted), set[bytes]()
    # Many buckets of a small crawl are empty.
    if not wanted:
        return found
    for identities in _identities(paths, bucket):
        known = np.frombuffer(identities, dtype=_IDENTITY)
        for first in range(0, len(known), LOOKED_UP):
            found |= wanted.intersection(known[first : first + LOOKED_UP].tolist())
    return found


def _identities(paths: Sequence[str], bucket: int) -> Iterator[bytes]:
    """Yield the identities of a bucket in each file, as bytes."""
    for first in range(0, len(paths), FILES_AT_ONCE):
        slices = _slices(paths[first : first + FILES_AT_ONCE], bucket)
        for block in _in_blocks(slices):
            contents = _read([(piece.path, piece.start, piece.end) for piece in block])
            for piece, identities in zip(block, contents, strict=True):
                is_whole = len(identities) == piece.end - piece.start
                if not is_whole or _digest(bucket, identities) != piece.digest:
                    raise Damaged(piece.path)
                yield identities


def _slices(paths: Sequence[str], bucket: int) -> list[_Slice]:
    """Where the identities of a bucket lie in each file."""
    start = bucket * _ENTRY.itemsize
    contents = _read([(path, start, start + _ENTRY.itemsize) for path in paths])
    slices = []
    for path, content in zip(paths, contents, strict=True):
        if len(content) != _ENTRY.itemsize:
            raise Damaged(path)
        described = _Slice(path, *np.frombuffer(content, dtype=_ENTRY)[0].tolist())
        size_bytes = described.end - described.start
        # A damaged entry must not make a worker read without end.
        if not 0 <= size_bytes <= MAX_IDENTITIES * IDENTITY_BYTES:
            raise Damaged(path)
        slices.append(described)
    return slices


def _in_blocks(slices: Iterable[_Slice]) -> Iterator[list[_Slice]]:
    """Groups of slices that hold BLOCK_BYTES at most, or one slice that holds more."""
    block: list[_Slice] = []
    block_bytes = 0
    for piece in slices:
        size_bytes = piece.end - piece.start
        if block and block_bytes + size_bytes > BLOCK_BYTES:
            yield block
            block, block_bytes = [], 0
        block.append(piece)
        block_bytes += size_bytes
    if block:
        yield block


def _read(ranges: Sequence[tuple[str, int, int]]) -> Iterator[bytes]:
    """Yield the bytes of each (path, start, end). Raises OSError."""
    for content in files.read_ranges(ranges, files.NO_OPTIONS):
        if isinstance(content, Exception):
            raise content
        yield content
