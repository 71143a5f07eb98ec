"""Reads the one record that stands at a known offset of an archive, whatever form it has."""

from __future__ import annotations

from pairsieve.storage.files import Stream
from pairsieve.warc.codecs import Codec, codec_of
from pairsieve.warc.member_records import first_record
from pairsieve.warc.members import read_members
from pairsieve.warc.record import Record
from pairsieve.warc.stream_records import read_record
from pairsieve.warc.wacz import start_of_archive


def read_record_at(stream: Stream, offset: int, keep_bytes: int) -> Record:
    """Read the record at an offset, its payload cut at `keep_bytes`.

    Raises BadRecord, DamagedMember, EOFError, and what the stream raises.
    """
    codec = _codec_at(stream, offset)
    stream.seek(offset)
    if codec is None:
        return read_record(stream, offset, keep_bytes)
    member = next(read_members(stream, offset, None, keep_bytes, codec), None)
    if member is None:
        raise EOFError("no record at this offset")
    return first_record(member)


def _codec_at(stream: Stream, offset: int) -> Codec | None:
    """The codec of the member at an offset."""
    codec = codec_of(stream, offset)
    if codec is None or codec.name != "zstd":
        return codec
    # Frames of zstd may need the dictionary at the start of their archive.
    codec_of_archive = codec_of(stream, start_of_archive(stream, offset))
    is_same = codec_of_archive is not None and codec_of_archive.name == "zstd"
    return codec_of_archive if is_same else codec
