"""A dataset is opened by those who read it: datasets, DuckDB, pandas, mlcroissant, autofaiss
(img2dataset: test_web_run.py).
"""

from __future__ import annotations

import json

import duckdb
import mlcroissant
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from pairsieve.records.column import PRIVACY
from pairsieve.records.row import COLUMNS, LAION_COLUMNS, ROW_SCHEMA, published_names
from pipeline.cli import main as pairsieve
from tests.support.datasets import manifest_of, rows_of
from tests.support.peers import run_peer

pytestmark = pytest.mark.filterwarnings("default")  # theirs are not ours to mend
LAION = ROW_SCHEMA.names[:LAION_COLUMNS]


@pytest.fixture(scope="module")
def embedded(run_demo):
    return run_demo(
        "--set",
        "publish.embeddings=column",
        "--set",
        "score.keep_embeddings=true",
        "--set",
        "publish.rows_per_shard=40",
    )


def query(sql: str) -> list:
    with duckdb.connect() as connection:
        return connection.execute(sql).fetchall()


def test_hugging_face_datasets(demo_run, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets
    from huggingface_hub import DatasetCard

    # The viewer shows no pictures of people.
    metadata = DatasetCard.load(demo_run.output / "README.md").data.to_dict()
    assert metadata["viewer_display_urls"] is False
    # The data card names the subsets, and where the shards of each are.
    found = datasets.load_dataset(
        str(demo_run.output), "en", split="train", cache_dir=str(tmp_path)
    )
    assert len(found) == len([row for row in rows_of(demo_run.output) if row["LANGUAGE"] == "en"])
    assert found.column_names == published_names("private")
    every = datasets.load_dataset(
        "parquet",
        data_files=f"{demo_run.output}/dataset/*/*.parquet",
        split="train",
        cache_dir=str(tmp_path),
    )
    assert len(every) == len(rows_of(demo_run.output))


def test_duckdb(demo_run):
    shards = f"'{demo_run.output}/dataset/*/*.parquet'"
    rows = rows_of(demo_run.output)
    assert query(f"select count(*), count(distinct key) from {shards}") == [(len(rows), len(rows))]
    key = rows[0]["key"]
    assert query(f"select URL, TEXT from {shards} where key = '{key}'") == [
        (rows[0]["URL"], rows[0]["TEXT"])
    ]
    assert (
        query(f"select count(*) from {shards} where list_contains(tags, 'personal_data_email')")[0][
            0
        ]
        > 0
    )


def test_pandas(demo_run):
    frame = pd.concat(
        pd.read_parquet(path) for path in sorted(demo_run.output.glob("dataset/*/*.parquet"))
    )
    assert len(frame) == len(rows_of(demo_run.output))
    assert frame.similarity.between(-1, 1).all()


def test_vectors_in_a_column(embedded):
    assert embedded.status == 0, embedded.printed
    (path, *_) = [
        p
        for p in sorted(embedded.output.glob("dataset/en/*.parquet"))
        if pq.read_metadata(p).num_rows
    ]
    vectors = np.array(pq.read_table(path)["embedding"].to_pylist(), np.float16)
    assert np.allclose(np.linalg.norm(vectors.astype(float), axis=1), 1, atol=2e-3)
    assert query(f"select len(embedding) from '{path}' limit 1") == [(vectors.shape[1],)]
    assert np.allclose(np.stack(pd.read_parquet(path).embedding.to_numpy()), vectors)
    assert "| `embedding` |" in (embedded.output / "README.md").read_text()


def test_no_shard_has_more_rows_than_it_may(embedded):
    listed = [
        f["rows"] for f in manifest_of(embedded.output)["files"] if f["path"].startswith("dataset/")
    ]
    assert max(listed) <= 40
    assert sum(listed) == len(rows_of(embedded.output))


def test_each_shard_has_a_range_of_keys(embedded):
    """So that a reader who looks for a key reads one shard."""
    for folder in (embedded.output / "dataset").iterdir():
        shards = sorted(folder.glob("*.parquet"))
        keys = [key for path in shards for key in pq.read_table(path)["key"].to_pylist()]
        assert len(shards) > 1
        assert keys == sorted(keys)


@pytest.mark.parametrize("made", ["demo_run", "embedded"])
def test_croissant(made, request, caplog):
    output = request.getfixturevalue(made).output
    dataset = mlcroissant.Dataset(str(output / "metadata.json"))
    assert not dataset.metadata.issues.errors
    assert not dataset.metadata.issues.warnings
    # It warns of a context that is not that of version 1.1 in its log alone.
    assert [record.message for record in caplog.records if "WARNING" in record.message] == []
    assert dataset.metadata.ctx.is_v1_1()
    read = list(dataset.records("en"))
    rows = [row for row in rows_of(output) if row["LANGUAGE"] == "en"]
    assert sorted(record["en/URL"].decode() for record in read) == sorted(
        row["URL"] for row in rows
    )
    fields = [field.name.removeprefix("en/") for field in dataset.metadata.record_sets[0].fields]
    assert set(fields) == set(pq.read_schema(next(output.glob("dataset/en/*.parquet"))).names)


def test_croissant_says_how_the_data_came_about(demo_run):
    """Read as others read it; the times are those that DuckDB finds in the rows."""
    metadata = mlcroissant.Dataset(str(demo_run.output / "metadata.json")).metadata
    shards = f"'{demo_run.output}/dataset/*/*.parquet'"
    ((first, last),) = query(
        "select least(min(crawl_time), min(fetched_at)), greatest(max(crawl_time), max(fetched_at))"
        f" from {shards}"
    )
    times = {time.isoformat() for time in metadata.data_collection_timeframe}
    assert times == {time.replace("Z", "+00:00") for time in (first, last)}
    assert metadata.date_published.date().isoformat() == last[:10]
    (shares,) = query(f"select count(*) filter (LANGUAGE = 'en'), count(*) from {shards}")
    assert f"{shares[0]} of {shares[1]} rows" in metadata.data_biases[0]
    assert any(name.startswith("TEXT (words)") for name in metadata.personal_sensitive_information)
    document = json.loads((demo_run.output / "metadata.json").read_text())
    assert document["prov:wasDerivedFrom"] == [
        {"@type": "prov:Entity", "prov:label": "crawl.warc.gz"}
    ]
    crawl = document["prov:wasGeneratedBy"][0]
    assert query(f"select min(crawl_time), max(crawl_time) from {shards}") == [
        (crawl["prov:startedAtTime"], crawl["prov:endedAtTime"])
    ]


def test_every_column_says_what_it_is():
    for column in COLUMNS:
        assert column.meaning
        assert column.privacy in PRIVACY
        assert column.source
    assert {c.name for c in COLUMNS if c.privacy == "address"} == {"URL", "page_url", "final_url"}
    assert {c.name for c in COLUMNS if c.privacy == "words"} == {"TEXT"}


def export(output, place, *arguments):
    with pytest.raises(SystemExit) as ended:
        pairsieve(["export", "--dataset", str(output), "--out", str(place), *arguments])
    return ended.value.code


def test_laion_compat(demo_run, tmp_path, capsys):
    assert export(demo_run.output, tmp_path / "copy", "--laion-compat") == 0
    paths = sorted(
        p.relative_to(demo_run.output) for p in demo_run.output.glob("dataset/*/*.parquet")
    )
    assert (
        sorted(p.relative_to(tmp_path / "copy") for p in tmp_path.glob("copy/dataset/*/*.parquet"))
        == paths
    )
    for path in paths:
        copy, ours = pq.read_table(tmp_path / "copy" / path), pq.read_table(demo_run.output / path)
        assert copy.schema.names == LAION
        assert copy.equals(ours.select(LAION))
    assert "152 rows" in capsys.readouterr().out
    assert export(demo_run.output, tmp_path / "copy", "--laion-compat") == 2
    assert "is not empty" in capsys.readouterr().err


def test_people_are_taken_out_of_copies_too(demo_run, tmp_path, capsys):
    assert export(demo_run.output, tmp_path / "copy", "--columns", "URL,TEXT,key") == 0
    url = rows_of(demo_run.output)[0]["URL"]
    (tmp_path / "requests.jsonl").write_text(json.dumps({"image_url": url}) + "\n")
    with pytest.raises(SystemExit) as ended:
        pairsieve(
            [
                "erase",
                "--dataset",
                str(tmp_path / "copy"),
                "--requests",
                str(tmp_path / "requests.jsonl"),
            ]
        )
    assert ended.value.code == 0, capsys.readouterr().err
    assert url not in {row["URL"] for row in rows_of(tmp_path / "copy")}


def test_a_column_that_is_not_there(demo_run, tmp_path, capsys):
    assert export(demo_run.output, tmp_path / "copy", "--columns", "URL,TEXTT") == 2
    assert "did you mean 'TEXT'?" in capsys.readouterr().err


def test_a_search_index_of_the_vectors(run_demo, tmp_path):
    """autofaiss, which clip-retrieval builds its index with, over our .npy files: row 3 of the
    index is row 3 of the shards.
    """
    ran = run_demo(
        "--set", "publish.embeddings=npy", "--set", "score.keep_embeddings=true", folder=tmp_path
    )
    assert ran.status == 0, ran.printed
    command = (
        "import sys, faiss, numpy as np\n"
        "from autofaiss import build_index\n"
        "index, _ = build_index(sys.argv[1], index_path=sys.argv[2], "
        "index_infos_path=sys.argv[3], index_key='Flat')\n"
        "vectors = np.load(sys.argv[1] + '/part-00000-of-00001.npy').astype('float32')\n"
        "print(len(vectors), (index.search(vectors, 1)[1][:, 0] == "
        "np.arange(len(vectors))).mean())\n"
    )
    arguments = [
        str(ran.output / "embeddings" / "en"),
        str(tmp_path / "knn.index"),
        str(tmp_path / "infos.json"),
    ]
    said = run_peer(command, *arguments).splitlines()[-1].split()
    assert (
        int(said[0])
        == pq.read_metadata(ran.output / "dataset/en/part-00000-of-00001.parquet").num_rows
    )
    assert float(said[1]) > 0.9  # pictures that stand in several rows have one vector
