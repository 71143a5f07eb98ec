"""Reads the one record that stands at a known offset of an archive, whatever form it has."""

from __future__ import annotations

from pairsieve.storage.files import Stream
from pairsieve.warc.codecs import Codec, codec_of
from pairsieve.warc.member_records import first_record
from pairsieve.warc.members import read_members
from pairsieve.warc.record import Record
from pairsieve.warc.stream_records import read_record
from pairsieve.warc.wacz import archive_around


class Codecs:
    """Tells the codecs of the members of one file. A dictionary is read once for its archive."""

    def __init__(self) -> None:
        # The offsets of the archive that was asked for last, and its codec.
        self._archive = range(0)
        self._codec: Codec | None = None

    def at(self, stream: Stream, offset: int) -> Codec | None:
        """The codec of the member at an offset."""
        codec = codec_of(stream, offset)
        if codec is None or codec.name != "zstd":
            return codec
        # Frames of zstd may need the dictionary at the start of their archive.
        if offset not in self._archive:
            archive = archive_around(stream, offset)
            self._codec = codec_of(stream, archive.start)
            self._archive = archive
        is_same = self._codec is not None and self._codec.name == "zstd"
        return self._codec if is_same else codec


def read_record_at(
    stream: Stream, offset: int, keep_bytes: int, codecs: Codecs | None = None
) -> Record:
    """Read the record at an offset, its payload cut at `keep_bytes`.

    `codecs` are those that were found in the same file. Raises BadRecord, DamagedMember, EOFError,
    and what the stream raises.
    """
    codec = (codecs or Codecs()).at(stream, offset)
    stream.seek(offset)
    if codec is None:
        return read_record(stream, offset, keep_bytes)
    member = next(read_members(stream, offset, None, keep_bytes, codec), None)
    if member is None:
        raise EOFError("no record at this offset")
    return first_record(member)
