"""Parquet files of the work directory that carry their own sha256: one flipped bit anywhere is
noticed.

The sha256 is that of the file with zeros in the place of its own 64 digits. They stand in the
footer, so that a file and its seal are put in place at once, whoever writes it and however often.
"""

from __future__ import annotations

import io
from hashlib import sha256

import pyarrow as pa
import pyarrow.parquet as pq

from pairsieve.storage import files

SEAL_KEY = b"pairsieve.sha256"
BLANK = b"0" * 64
# Between the key and its value in the footer: the header of a field and its length (Thrift's
# compact protocol, field 2 of KeyValue in parquet.thrift).
GAP_BYTES = 2


class Damaged(RuntimeError):
    """A file is not what was written; the message says which, and what to do."""

    def __init__(
        self, path: str, remedy: str = "Remove it; the same command makes it anew"
    ) -> None:
        super().__init__(f"{path} is damaged: it is not what was written. {remedy}")


def sealed_bytes(table: pa.Table) -> bytes:
    """A table as zstd parquet with its seal."""
    buffer = io.BytesIO()
    blank = table.replace_schema_metadata({**(table.schema.metadata or {}), SEAL_KEY: BLANK})
    pq.write_table(blank, buffer, compression="zstd")
    content = bytearray(buffer.getbuffer())
    digits = _digits(content)
    content[digits] = sha256(content).hexdigest().encode()
    return bytes(content)


def write_sealed(path: str, table: pa.Table) -> None:
    """Put a table in place whole, with its seal."""
    with files.open_whole(path) as stream:
        stream.write(sealed_bytes(table))


def read_sealed(path: str) -> pa.Table:
    """The whole table. Raises Damaged."""
    with files.open_read(path) as stream:
        content = bytearray(stream.read())
    digits = _digits(content)
    written = bytes(content[digits])
    content[digits] = BLANK
    if sha256(content).hexdigest().encode() != written:
        raise Damaged(path)
    return pq.read_table(pa.BufferReader(bytes(content)))


def seal_of(footer: pq.FileMetaData) -> str:
    """The sha256 that a file says to have; empty where it has no seal."""
    found: bytes = (footer.metadata or {}).get(SEAL_KEY, b"")
    return found.decode("ascii", "replace")


def _digits(content: bytearray) -> slice:
    """Where the digits stand: behind the last mention of their key, which is in the footer."""
    start = content.rfind(SEAL_KEY) + len(SEAL_KEY) + GAP_BYTES
    return slice(start, start + len(BLANK))
