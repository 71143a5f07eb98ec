"""`pairsieve hashes`, and what a run does with the file."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageOps
from skimage import data

from pairsieve.images.hash_file import UnreadableHashes, read_hashes, write_hashes
from pairsieve.images.pdq import ALIKE, nearest, pdq
from pipeline.commands.hashes import main


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    (folder / "below").mkdir(parents=True)
    Image.fromarray(data.astronaut()).save(folder / "astronaut.png")
    Image.fromarray(data.coffee()).save(folder / "below" / "coffee.jpg", quality=90)
    return folder


def run(folder, out) -> int:
    return main(["--pictures", str(folder), "--out", str(out)])


def bits_to(hashes, picture) -> int:
    return int(nearest(np.frombuffer(pdq(picture)[0], np.uint8)[None], hashes)[0])


def test_pictures_in_all_orientations(pictures, tmp_path, capsys):
    out = tmp_path / "set.parquet"
    assert run(pictures, out) == 0
    hashes = read_hashes(str(out))
    assert capsys.readouterr().out == f"{out}: 16 hashes of 2 pictures; 0 files have none\n"
    for array in (data.astronaut(), data.coffee()):
        picture = Image.fromarray(array)
        for copy in (picture, ImageOps.mirror(picture), picture.rotate(90, expand=True)):
            assert bits_to(hashes, copy) <= ALIKE
    assert bits_to(hashes, Image.fromarray(data.chelsea())) > ALIKE


def test_the_same_pictures_give_the_same_file(pictures, tmp_path):
    for name in ("a", "b"):
        run(pictures, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_has_no_hash_is_named(pictures, tmp_path, capsys):
    (pictures / "notes.txt").write_text("no picture")
    Image.new("RGB", (300, 300), "white").save(pictures / "plain.png")
    assert run(pictures, tmp_path / "out") == 1
    said = capsys.readouterr()
    assert "notes.txt: no picture" in said.err
    assert "plain.png: no picture" in said.err
    assert "2 pictures; 2 files have none" in said.out


def test_no_picture_writes_no_file(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / "empty", tmp_path / "out") == 2
    assert "give a folder of pictures" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"other": ["a"]}, "cannot be read as a parquet file with a column pdq"),
        ({"pdq": ["ab" * 32, "short"]}, "1 cells that are no PDQ hash"),
        ({"pdq": [7]}, "1 cells that are no PDQ hash"),
        ({"pdq": pa.array([None], pa.string())}, "no hash in the column"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, columns, message):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(UnreadableHashes, match=message):
        read_hashes(str(path))


def test_files_that_are_no_tables_are_refused(tmp_path):
    (tmp_path / "x").write_text("no table")
    for path in (tmp_path / "x", tmp_path / "missing"):
        with pytest.raises(UnreadableHashes, match="pairsieve hashes"):
            read_hashes(str(path))


def test_hashes_are_written_once_and_sorted(tmp_path):
    path = str(tmp_path / "x.parquet")
    assert write_hashes(path, [bytes([2]) * 32, bytes([1]) * 32, bytes([2]) * 32]) == 2
    assert read_hashes(path)[:, 0].tolist() == [1, 2]
    with_gaps = pa.table({"pdq": ["AB" * 32, None]})
    pq.write_table(with_gaps, path)
    assert read_hashes(path)[:, 0].tolist() == [0xAB]
