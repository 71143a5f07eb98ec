"""A file of the work directory is what was written, or it is named as damaged."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pairsieve.storage import parts
from pairsieve.storage.sealed import Damaged, read_sealed, seal_of, sealed_bytes, write_sealed

TABLE = pa.table({"a": list(range(9)), "pairsieve.sha256": ["pairsieve.sha256" + "0" * 66] * 9})


def test_every_single_flipped_bit_is_noticed(tmp_path):
    content, path = sealed_bytes(TABLE), tmp_path / "x.parquet"
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(flipped)
        with pytest.raises(Damaged, match="the same command makes it anew"):
            read_sealed(str(path))


@pytest.mark.parametrize("length", [0, 1, 40, 500, -1])
def test_what_is_cut_off_is_noticed(length, tmp_path):
    (tmp_path / "x.parquet").write_bytes(sealed_bytes(TABLE)[:length])
    with pytest.raises(Damaged):
        read_sealed(str(tmp_path / "x.parquet"))


def test_another_reader_reads_it(tmp_path):
    path = str(tmp_path / "x.parquet")
    write_sealed(path, TABLE)
    assert read_sealed(path).equals(TABLE)
    assert pq.read_table(path).equals(TABLE)
    assert len(seal_of(pq.read_metadata(path))) == 64
    assert sealed_bytes(TABLE) == (tmp_path / "x.parquet").read_bytes()


def test_a_picture_is_what_was_stored(tmp_path):
    folder, name = str(tmp_path), "part-00000-0000"
    with parts.write_pictures(folder, name) as writer:
        writer.add("as served", b"made smaller")
    path = parts.pictures_path(folder, name)
    with open(path, "r+b") as stream:
        content = stream.read()
        stream.seek(content.index(b"smaller"))
        stream.write(b"larger!")
    with parts.open_pictures(folder, name) as reader, pytest.raises(Damaged):
        reader.read("as served")


def test_a_damaged_footer_is_named(tmp_path):
    path = tmp_path / "part-00000-0000.parquet"
    path.write_bytes(sealed_bytes(TABLE)[:-3])
    with pytest.raises(Damaged, match=r"part-00000-0000\.parquet"):
        parts.part_summary(str(tmp_path), "part-00000-0000")
