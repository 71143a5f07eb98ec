"""Parquet files that carry their own sha256 (a seal), so that any flipped bit is noticed.

The seal is the sha256 of the file with zeros in place of the seal's own 64 hex digits. It is in the
footer, so that a file and its seal are written in one step.
"""

from __future__ import annotations

import io
from hashlib import sha256

import pyarrow as pa
import pyarrow.parquet as pq

from pairsieve.storage import files

SEAL_KEY = b"pairsieve.sha256"
BLANK = b"0" * 64

# Bytes between the key and its value in the footer: a field header and a length (Thrift's compact
# protocol, field 2 of KeyValue in parquet.thrift).
GAP_BYTES = 2


class Damaged(RuntimeError):
    """A file does not have the content that was written. The message says what to do."""

    def __init__(
        self, path: str, remedy: str = "Remove it; the same command makes it anew"
    ) -> None:
        super().__init__(f"{path} is damaged: it is not what was written. {remedy}")


def sealed_bytes(table: pa.Table) -> bytes:
    """Encode a table as zstd parquet with its seal."""
    metadata = dict(table.schema.metadata or {})
    metadata[SEAL_KEY] = BLANK
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(metadata), buffer, compression="zstd")
    content = bytearray(buffer.getbuffer())
    seal = _seal_slice(content)
    content[seal] = sha256(content).hexdigest().encode()
    return bytes(content)


def write_sealed(path: str, table: pa.Table) -> None:
    """Write a table with its seal. Readers see the whole file or none."""
    with files.open_whole(path) as stream:
        stream.write(sealed_bytes(table))


def read_sealed(path: str) -> pa.Table:
    """Read a whole table. Raises Damaged if the file does not have the sha256 of its seal."""
    with files.open_read(path) as stream:
        content = bytearray(stream.read())
    seal = _seal_slice(content)
    written_digits = bytes(content[seal])
    content[seal] = BLANK
    if sha256(content).hexdigest().encode() != written_digits:
        raise Damaged(path)
    return pq.read_table(pa.BufferReader(bytes(content)))


def seal_of(footer: pq.FileMetaData) -> str:
    """The sha256 in the seal of a file; empty if it has none. It is not checked here."""
    metadata = footer.metadata or {}
    digits: bytes = metadata.get(SEAL_KEY, b"")
    return digits.decode("ascii", "replace")


def _seal_slice(content: bytearray) -> slice:
    """The position of the 64 digits in a file: after the last occurrence of their key."""
    # The footer is at the end of a file, so the last occurrence is the one in the footer.
    start = content.rfind(SEAL_KEY) + len(SEAL_KEY) + GAP_BYTES
    return slice(start, start + len(BLANK))
