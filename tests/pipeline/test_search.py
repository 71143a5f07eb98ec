"""Index and search through the command, on the demonstration's dataset."""

from __future__ import annotations

import io
import json
import shutil

import faiss
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pairsieve.images.pdq import orientations_of
from pipeline.cli import main as pairsieve
from pipeline.orchestrate.config_file import CONFIGS
from tests.support.datasets import picture_of, rows_of

CONFIG = ["--config", str(CONFIGS / "demo.yaml")]


@pytest.fixture(scope="module")
def published(run_demo):
    ran = run_demo("--set", "publish.embeddings=npy", "--set", "score.keep_embeddings=true")
    assert ran.status == 0, ran.printed
    assert call("index", "--dataset", str(ran.output)) == 0
    return ran.output


@pytest.fixture
def dataset(published, tmp_path):
    shutil.copytree(published, tmp_path / "out")
    shutil.copytree(f"{published}.index", tmp_path / "out.index")
    return tmp_path / "out"


def call(*arguments):
    with pytest.raises(SystemExit) as ended:
        pairsieve([str(a) for a in arguments])
    return ended.value.code


def search(dataset, capsys, *arguments):
    capsys.readouterr()
    status = call("search", "--dataset", dataset, "--json", "--number", "100", *arguments)
    said = capsys.readouterr()
    return status, [json.loads(line) for line in said.out.splitlines()], said.err


def test_words(published, capsys):
    status, hits, _ = search(published, capsys, "star purple")
    wanted = [
        row
        for row in rows_of(published)
        if {"star", "purple"} <= set(row["TEXT"].lower().replace(",", "").split())
    ]
    assert status == 0
    assert sorted(hit["key"] for hit in hits) == sorted(row["key"] for row in wanted)
    assert search(published, capsys, "nosuchword")[:2] == (1, [])


@pytest.mark.parametrize(("option", "column"), [("--url", "URL"), ("--page", "page_url")])
def test_addresses(published, capsys, option, column):
    row = rows_of(published)[0]
    _, hits, _ = search(published, capsys, option, row[column])
    assert {hit["key"] for hit in hits} == {
        r["key"] for r in rows_of(published) if r[column] == row[column]
    }


def test_filters_and_sorting(published, capsys):
    _, hits, _ = search(published, capsys, "--domain", "ads.example", "--sort", "similarity")
    assert {hit["URL"].split("/")[2] for hit in hits} == {"ads.example"}
    assert [hit["similarity"] for hit in hits] == sorted(
        (hit["similarity"] for hit in hits), reverse=True
    )


def test_an_example_picture_is_found_by_its_bytes_then_turned_then_alike(
    published, tmp_path, capsys
):
    rows = [row for row in rows_of(published) if row["LANGUAGE"] == "en"]
    # others show too little for a hash
    row = next(row for row in rows if orientations_of(Image.open(picture_of(row, tmp_path))))
    path = picture_of(row, tmp_path)
    _, hits, _ = search(published, capsys, "--image", path)
    assert hits[0]["key"] in {r["key"] for r in rows_of(published) if r["sha256"] == row["sha256"]}
    assert hits[0]["why"] == "same file"
    turned = io.BytesIO()
    Image.open(path).convert("RGB").transpose(Image.Transpose.ROTATE_90).save(turned, "PNG")
    path.write_bytes(turned.getvalue())
    _, hits, _ = search(published, capsys, "--image", path)
    assert "same picture" in {hit["why"] for hit in hits if hit.get("sha256") == row["sha256"]}
    _, hits, _ = search(published, capsys, "--image", path, *CONFIG)
    assert hits[0]["why"] == "same picture"
    assert "looks alike" in {hit["why"] for hit in hits}


def test_meaning(published, capsys):
    _, hits, _ = search(
        published, capsys, "--meaning", "a star in purple on a white background", *CONFIG
    )
    assert "star" in hits[0]["TEXT"]
    status, _, err = search(published, capsys, "--meaning", "a star")
    assert status == 2
    assert "give --config" in err


def test_only_changed_shards_are_indexed_anew(dataset, tmp_path, capsys):
    row = rows_of(dataset)[0]
    (tmp_path / "requests.jsonl").write_text(json.dumps({"image_url": row["URL"]}) + "\n")
    assert call("erase", "--dataset", dataset, "--requests", tmp_path / "requests.jsonl") == 0
    status, _, err = search(dataset, capsys, "--url", row["URL"])
    assert status == 2, "an index of the version before could show who was taken out"
    assert "bring it up to date with pairsieve index" in err
    assert call("index", "--dataset", dataset) == 0
    assert "1 of 3 shards indexed, version 2" in capsys.readouterr().out
    assert search(dataset, capsys, "--url", row["URL"])[:2] == (1, [])
    total = sum(pq.read_metadata(path).num_rows for path in dataset.glob("dataset/*/*.parquet"))
    assert len(search(dataset, capsys)[1]) == min(100, total)


def test_vectors_in_lists_are_brought_up_to_date(dataset, tmp_path, capsys):
    index, lists = (
        ("index", "--dataset", dataset, "--exact-below", 1),
        dataset.with_name("out.index") / "lists-demo.faiss",
    )
    assert call(*index) == 0
    assert "0 of 3 shards indexed" in capsys.readouterr().out
    before, file = faiss.read_index(str(lists)).ntotal, lists.stat().st_ino
    row = next(row for row in rows_of(dataset) if "star" in row["TEXT"])
    (tmp_path / "requests.jsonl").write_text(json.dumps({"image_url": row["URL"]}) + "\n")
    assert call("erase", "--dataset", dataset, "--requests", tmp_path / "requests.jsonl") == 0
    assert call(*index) == 0
    assert (
        before
        > faiss.read_index(str(lists)).ntotal
        == sum(len(np.load(path)) for path in dataset.glob("embeddings/*/*.npy"))
    )
    assert lists.stat().st_ino != file, (
        "a page that is running has the old file mapped: written over, it would end that page"
    )
    _, hits, _ = search(
        dataset, capsys, "--meaning", "a star in purple on a white background", *CONFIG
    )
    assert hits
    assert row["URL"] not in {hit["URL"] for hit in hits}


def test_an_index_of_the_first_format_is_made_anew(dataset, capsys):
    place = dataset.with_name("out.index")
    (place / "centres-demo.faiss").write_bytes(b"of format 1")
    path = place / "index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 1}))
    assert call("index", "--dataset", dataset) == 0
    assert "3 of 3 shards indexed" in capsys.readouterr().out
    assert not (place / "centres-demo.faiss").exists()


def test_an_index_of_another_format_is_refused(dataset, capsys):
    path = dataset.with_name("out.index") / "index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 0}))
    status, _, err = search(dataset, capsys, "star")
    assert (status, "made by another version" in err) == (2, True)
    path.unlink()
    status, _, err = search(dataset, capsys, "star")
    assert (status, "make one with pairsieve index" in err) == (2, True)


def test_the_table_holds_nothing_that_moves_a_cursor(published, capsys):
    assert call("search", "--dataset", published, "star") == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1].endswith(" of 7")
    assert all(letter.isprintable() for line in out.splitlines() for letter in line)


def test_nothing_of_others_is_removed(published, tmp_path, capsys):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "love.txt").write_text("dear")
    assert call("index", "--dataset", published, "--out", tmp_path / "letters") == 2
    assert "holds love.txt, which is not part of an index" in capsys.readouterr().err
    assert (tmp_path / "letters" / "love.txt").read_text() == "dear"


def test_an_index_that_was_cut_off_is_made_anew(dataset, capsys):
    (dataset.with_name("out.index") / "index.json").unlink()
    assert call("index", "--dataset", dataset) == 0
    assert "3 of 3 shards indexed" in capsys.readouterr().out
    assert search(dataset, capsys, "star")[0] == 0


def test_a_query_without_words_says_why(published, capsys):
    status, hits, said = search(published, capsys, "!!!")
    assert (status, hits) == (1, [])
    assert "the words hold no letter, digit or symbol" in said


def test_other_addresses_are_offered(published, capsys):
    row = rows_of(published)[0]
    capsys.readouterr()
    other = row["URL"].replace("://", "://www.")
    status = call("search", "--dataset", published, "--url", f"{other}?utm_source=mail")
    said = capsys.readouterr().out
    assert status == 1
    assert f"the same address? --url {row['URL']} (" in said
    status = call("search", "--dataset", published, "--url", row["URL"])
    assert (status, "the same address?" in capsys.readouterr().out) == (0, False)
