"""`pairsieve hashes`, and what a run does with the file."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageOps
from skimage import data

from pairsieve.images.hash_file import (
    UnreadableHashes,
    read_pictures,
    write_hashes,
)
from pairsieve.images.pdq import ALIKE, nearest, pdq
from pipeline.commands.hashes import main
from tests.support.paths import DEMO


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
    hashes = read_pictures(str(out)).hashes
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
        ({"other": ["a"]}, "cannot be read as a parquet file with a column pdq or embedding"),
        ({"pdq": ["ab" * 32, "short"]}, "1 cells that are no PDQ hash"),
        ({"pdq": [7]}, "1 cells that are no PDQ hash"),
        ({"pdq": pa.array([None], pa.string())}, "no hash in the column"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, columns, message):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(UnreadableHashes, match=message):
        read_pictures(str(path))


def test_files_that_are_no_tables_are_refused(tmp_path):
    (tmp_path / "x").write_text("no table")
    for path in (tmp_path / "x", tmp_path / "missing"):
        with pytest.raises(UnreadableHashes, match="pairsieve hashes"):
            read_pictures(str(path))


def test_hashes_are_written_once_and_sorted(tmp_path):
    path = str(tmp_path / "x.parquet")
    assert write_hashes(path, [bytes([2]) * 32, bytes([1]) * 32, bytes([2]) * 32]) == 2
    assert read_pictures(path).hashes[:, 0].tolist() == [1, 2]
    with_gaps = pa.table({"pdq": ["AB" * 32, None]})
    pq.write_table(with_gaps, path)
    assert read_pictures(path).hashes[:, 0].tolist() == [0xAB]


def test_vectors_are_those_of_open_clip(pictures, tmp_path, capsys):
    """The model as open_clip itself loads it, with its own transform."""
    import open_clip
    import torch

    (pictures / "notes.txt").write_text("no picture")
    out = tmp_path / "set.parquet"
    assert main(["--pictures", str(pictures), "--out", str(out), "--config", str(DEMO)]) == 1
    known = read_pictures(str(out))
    ((model, vectors),) = known.vectors.items()
    assert f"vectors by {model}; 1 files have none" in capsys.readouterr().out
    assert len(known.hashes) == 16

    folder = DEMO.parent / "demo" / "clip"
    oracle, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    shown = [
        Image.open(path) for path in (pictures / "astronaut.png", pictures / "below/coffee.jpg")
    ]
    with torch.inference_mode():
        batch = torch.stack([transform(picture.convert("RGB")) for picture in shown])
        wanted = torch.nn.functional.normalize(oracle.eval().encode_image(batch), dim=-1).numpy()
    cosines = np.sort((vectors @ wanted.T).max(axis=0))
    assert len(vectors) == 2
    assert cosines.min() > 0.999


def test_a_config_that_cannot_be_read_is_named(pictures, tmp_path, capsys):
    arguments = ["--pictures", str(pictures), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--config", str(tmp_path / "nothing.yaml")]) == 2
    assert "nothing.yaml" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def listed(values, kind=None):
    return pa.array(values, pa.list_(kind or pa.float32()))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"embedding": listed([[1, 0]])}, "vectors without the identity of their model"),
        ({"embedding": listed([[1, 0]]), "model": [""]}, "without the identity"),
        ({"embedding": listed([[0, 0]]), "model": ["m"]}, "not finite or have no length"),
        ({"embedding": listed([[1, float("nan")]]), "model": ["m"]}, "not finite or have"),
        ({"embedding": listed([[1, None]]), "model": ["m"]}, "not finite or have no length"),
        ({"embedding": listed([[1], [1, 0]]), "model": ["m", "m"]}, "different numbers"),
        ({"embedding": [1.5], "model": ["m"]}, "a column embedding of double"),
        ({"embedding": listed([None]), "model": ["m"]}, "no vector"),
        ({"embedding": listed([[1]]), "model": ["m"], "pdq": ["short"]}, "no PDQ hash"),
    ],
)
def test_vectors_that_are_none_are_refused(tmp_path, columns, message):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(UnreadableHashes, match=message):
        read_pictures(str(path))


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64()])
def test_vectors_of_others(tmp_path, kind):
    """Of any precision and length, with gaps, and with or without hashes."""
    path = tmp_path / "x.parquet"
    column = listed([[3.0, 4.0], [0.0, 2.0]], kind)
    columns = {
        "embedding": pa.concat_arrays([column, listed([None], kind)]),
        "model": ["a", "b", "a"],
    }
    pq.write_table(pa.table(columns), path)
    known = read_pictures(str(path))
    assert known.hashes.shape == (0, 32)
    assert {model: some.tolist() for model, some in known.vectors.items()} == {
        "a": [[pytest.approx(0.6, 1e-6), pytest.approx(0.8, 1e-6)]],
        "b": [[0.0, 1.0]],
    }
