"""Taking people out of a finished dataset, and keeping them out."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import re
import shutil
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from demo.crawl import make_crawl
from filters.erasure import Erasure
from pairsieve.erasure.decisions import parsed, prepare_approval
from pairsieve.erasure.queue import ask, look_up
from pairsieve.images.pdq import orientations
from pairsieve.storage import files
from pairsieve.storage.lock import one_writer
from pairsieve.storage.marked import mark
from pairsieve.storage.shards import shard_bytes
from pipeline.commands.adopt import main as adopt
from pipeline.commands.erase import main as erase
from pipeline.commands.explore import _find_copies
from pipeline.commands.requests import main as requests_main
from pipeline.dataset.found_rows import count_rows
from pipeline.orchestrate.config_file import CONFIGS
from tests.support.datasets import hashes, manifest_of, rows_of
from tests.support.warcs import page, response
from transforms.erase import rewrite

ARGUMENTS = ["--set", "publish.shards=4"]


@pytest.fixture(scope="module")
def made(run_demo):
    return run_demo(*ARGUMENTS)


@pytest.fixture
def dataset(made, tmp_path):
    """A copy of the demonstration's dataset in four shards a subset."""
    shutil.copytree(made.output, tmp_path / "out")
    return tmp_path / "out"


def asked(tmp_path, *requests):
    path = tmp_path / "requests.jsonl"
    path.write_text("".join(json.dumps(request) + "\n" for request in requests))
    return str(path)


def token(tombstones, name, value):
    """What docs/operations.md tells those who hold a copy to compute."""
    secret = bytes.fromhex((tombstones / "recipients.key").read_text())
    return hmac.new(secret, f"{name}\0{value}".encode(), hashlib.sha256).hexdigest()[:32]


def some_row(dataset):
    return next(
        row
        for row in rows_of(dataset)
        if row["sha256"]
        and row["pdq"]
        and sum(r["sha256"] == row["sha256"] for r in rows_of(dataset)) == 1
    )


def test_a_dry_run_changes_nothing(dataset, tmp_path, capsys):
    before = hashes(dataset)
    row = some_row(dataset)
    assert (
        erase(
            [
                "--dataset",
                str(dataset),
                "--requests",
                asked(tmp_path, {"image_url": row["URL"], "receipt": "abcdefgh"}),
                "--dry-run",
            ]
        )
        == 0
    )
    printed = capsys.readouterr().out
    assert "abcdefgh" in printed
    assert printed.splitlines()[-1].startswith("1 rows in 1 shards would be taken out")
    assert hashes(dataset) == before
    assert not (tmp_path / "out.erased").exists()


def test_only_shards_with_matches_are_written_anew(dataset, tmp_path, capsys):
    before, row, rows = hashes(dataset), some_row(dataset), rows_of(dataset)
    assert (
        erase(["--dataset", str(dataset), "--requests", asked(tmp_path, {"sha256": row["sha256"]})])
        == 0
    )
    assert capsys.readouterr().out.splitlines()[-1] == "1 rows in 1 shards taken out; version 2"
    after = hashes(dataset)
    changed = {name for name in before if after.get(name) != before[name]}
    (shard,) = changed - {"manifest.json", "metadata.json", "README.md", "report.html"}
    assert shard.startswith("dataset/")
    assert rows_of(dataset) == [r for r in rows if r["key"] != row["key"]]
    manifest = manifest_of(dataset)
    assert manifest["version"] == 2
    listed = {f["path"]: f for f in manifest["files"]}
    assert {path: f["sha256"] for path, f in listed.items()} == {
        path: after[path] for path in listed
    }
    assert listed[shard]["rows"] == pq.read_metadata(dataset / shard).num_rows
    (delta,) = pq.read_table(dataset / "erasures" / "delta-00002.parquet").to_pylist()
    assert delta["key"] == token(tmp_path / "out.erased", "key", row["key"])
    assert row["key"] not in str(delta), "whoever has the crawl could compute it"
    assert "version 2: 1 rows were taken out" in (dataset / "README.md").read_text()


def test_a_rewritten_shard_is_what_the_flow_would_write(dataset, made, run_demo, tmp_path):
    """The same rows give the same bytes, whoever writes them."""
    row = some_row(dataset)
    assert (
        erase(["--dataset", str(dataset), "--requests", asked(tmp_path, {"key": row["key"]})]) == 0
    )
    shutil.copytree(made.work, tmp_path / "work")
    rule = f"filters.rules.erasure={{tombstones: {tmp_path / 'out.erased'}}}"
    again = run_demo(*ARGUMENTS, "--set", rule, folder=tmp_path)
    assert again.status == 0, again.printed
    erased, flow = hashes(dataset), hashes(again.output)
    assert row["key"] not in {r["key"] for r in rows_of(again.output)}
    assert [n for n in erased if n.startswith("dataset/") and erased[n] != flow[n]] == []


@pytest.mark.parametrize(
    "how", ["image_url", "page_url", "domain", "prefix", "sha256", "md5", "pdq", "key"]
)
def test_every_kind_of_request(how, dataset, tmp_path):
    row = some_row(dataset)
    host, _, path = row["URL"].partition("://")[2].partition("/")
    value = {
        "image_url": row["URL"], "page_url": row["page_url"], "domain": host, "prefix": f"{host}/{path}", "sha256": row["sha256"], "md5": row["md5"],
        "pdq": row["pdq"], "key": row["key"],
    }[how]  # fmt: skip
    assert erase(["--dataset", str(dataset), "--requests", asked(tmp_path, {how: value})]) == 0
    assert row["key"] not in {r["key"] for r in rows_of(dataset)}
    assert rows_of(dataset) or how in ("domain",)


@pytest.mark.parametrize("copies", [True, False])
@pytest.mark.parametrize("how", ["page_url", "domain", "prefix"])
def test_copies_of_a_places_pictures_stay_out_elsewhere(how, copies, dataset, tmp_path):
    row = some_row(dataset)
    host, _, path = row["page_url"].partition("://")[2].partition("/")
    place = {
        "page_url": row["page_url"],
        "domain": host.upper(),
        "prefix": f"https://{host}/{path}",
    }
    path = asked(tmp_path, {how: place[how], "copies": copies})
    assert erase(["--dataset", str(dataset), "--requests", path]) == 0
    evidence = {
        "url": "https://elsewhere.example/1.jpg",
        "page_url": "https://elsewhere.example/",
        "sha256": row["sha256"],
        "md5": row["md5"],
        "pdq": row["pdq"],
    }
    decisions = list(Erasure(f"{dataset}.erased").judge(evidence))
    reasons = {decision.reason for decision in decisions}
    assert reasons == ({"erased_picture", "erased_picture_alike"} if copies else set())


def bytes_of(row):
    return next(resource.body for resource in make_crawl() if resource.url == row["URL"])


@pytest.mark.parametrize("turn", [None, Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_90])
def test_an_example_picture_finds_its_like(turn, dataset, tmp_path):
    # A picture of flat colours shows too little for a hash that survives another encoding.
    row = max(rows_of(dataset), key=lambda row: row["size_bytes"])
    image = Image.open(io.BytesIO(bytes_of(row))).convert("RGB")
    (image if turn is None else image.transpose(turn)).save(tmp_path / "me.jpg", quality=70)
    assert (
        erase(["--dataset", str(dataset), "--requests", asked(tmp_path, {"image": "me.jpg"})]) == 0
    )
    assert row["key"] not in {r["key"] for r in rows_of(dataset)}


def test_hash_lists_of_others(dataset, tmp_path, capsys):
    row = some_row(dataset)
    (tmp_path / "list.csv").write_text(f"id,sha256\nx,{row['sha256']}\n")
    assert erase(["--dataset", str(dataset), "--hash-list", str(tmp_path / "list.csv")]) == 0
    assert row["key"] not in {r["key"] for r in rows_of(dataset)}
    (tmp_path / "pdq.txt").write_text("5a" * 32)
    assert erase(["--dataset", str(dataset), "--hash-list", f"{tmp_path / 'pdq.txt'}:pdq"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("0 rows in 0 shards taken out")


def test_the_next_version_is_the_same_on_two_workers(embedded, tmp_path, capsys):
    """Shards, vectors, list and feed, under the same keys."""
    made, printed = [], []
    for workers in (1, 2):
        place = tmp_path / str(workers)
        shutil.copytree(embedded.output, place / "out")
        if workers == 2:
            shutil.copytree(tmp_path / "1" / "out.erased", place / "out.erased")
            for name in ("tombstones.json", "status.json"):
                (place / "out.erased" / name).unlink()
        path = asked(place, {"domain": "shapes.example"}, {"key": rows_of(place / "out")[0]["key"]})
        arguments = ["--dataset", str(place / "out"), "--requests", path]
        arguments.append(f"--direct_num_workers={workers}")
        assert erase([*arguments, "--dry-run"]) == 0
        assert erase(arguments) == 0
        made.append(hashes(place / "out"))
        printed.append(capsys.readouterr().out)
        assert [path.name for path in sorted(place.iterdir())] == [
            "out",
            "out.erased",
            "requests.jsonl",
        ]
    assert printed[0] == printed[1]
    assert "would be taken out" in printed[0]
    assert made[0] == made[1]
    before = hashes(embedded.output)
    assert sum(made[0][name] != digest for name, digest in before.items() if name.endswith(".npy"))


def test_what_keeps_an_erasure_from_its_end_is_named(dataset, tmp_path, capsys):
    row, before = some_row(dataset), hashes(dataset)
    arguments = ["--dataset", str(dataset)]
    arguments += ["--requests", asked(tmp_path, {"key": row["key"]})]
    assert erase([*arguments, "--runer=DirectRunner"]) == 2
    assert "did you mean '--runner'?" in capsys.readouterr().err
    folder = tmp_path / "out.erase.job"
    folder.mkdir()
    (folder / "letter.txt").write_text("of somebody else")
    for given in (arguments, [*arguments, "--dry-run"]):
        assert erase(given) == 2
        assert "pairsieve did not make it; move it away" in capsys.readouterr().err
    assert (folder / "letter.txt").exists()
    shutil.rmtree(folder)
    assert hashes(dataset) == before
    shard = next(path for path in sorted(dataset.rglob("dataset/*/*.parquet")))
    shard.write_bytes(shard.read_bytes()[:100])
    assert erase(arguments) == 1
    said = capsys.readouterr().err
    assert shard.name in said
    assert row["key"] not in said
    assert "Traceback" not in said
    assert not folder.exists()


def test_what_a_killed_command_found_is_removed(dataset, tmp_path, capsys):
    """Addresses of those who asked, in the private folder of its jobs."""
    folder = tmp_path / "out.erase.job"
    mark(str(folder))
    (folder / "found").mkdir()
    (folder / "found" / "requests.json").write_text("of somebody")
    with one_writer(str(folder)):
        # It is still at work.
        path = asked(tmp_path, {"domain": "nowhere.example"})
        assert erase(["--dataset", str(dataset), "--requests", path, "--dry-run"]) == 1
        assert "another run works there" in capsys.readouterr().err
        assert (folder / "found" / "requests.json").exists()
    assert erase(["--dataset", str(dataset), "--requests", path, "--dry-run"]) == 0
    assert not folder.exists()


def test_a_list_of_erased_rows_has_no_token_for_what_a_row_lacks(tmp_path):
    """Sorted by all its columns, as the lists of earlier versions."""
    folder = tmp_path / "ds"
    folder.mkdir()
    columns = {
        "URL": [f"https://a.example/{n}" for n in range(6)],
        "key": [f"{n:032x}" for n in range(6)],
        "sha256": ["ab" * 32, None, None, "cd" * 32, None, "ef" * 32],
    }
    table = pa.table(columns)
    pq.write_table(table.slice(0, 4), folder / "0.parquet", row_group_size=2)
    pq.write_table(table.slice(4), folder / "1.parquet")
    assert adopt(["--dataset", str(folder)]) == 0
    path = asked(tmp_path, {"domain": "a.example"})
    assert erase(["--dataset", str(folder), "--requests", path]) == 0
    stones = tmp_path / "ds.erased"
    tokens = []
    for row in table.select(["key", "URL", "sha256"]).to_pylist():
        known = {name: value and token(stones, name, value) for name, value in row.items()}
        tokens.append(known)
    tokens.sort(key=lambda row: [value or "" for value in row.values()])
    listed = pq.read_table(folder / "erasures" / "delta-00002.parquet")
    assert listed.schema.types == [pa.string()] * 3
    assert listed.to_pylist() == tokens
    # Every row of both shards is gone, and both are tables still.
    assert [pq.read_table(folder / f"{n}.parquet").num_rows for n in range(2)] == [0, 0]


def test_an_erasure_of_an_earlier_version_is_finished(dataset, tmp_path):
    """Its COMMIT lists the files, which lie in the staging folder as in the dataset."""
    staging = dataset / "unfinished-erasure"
    mark(str(staging))
    shard = next(path for path in sorted(dataset.rglob("dataset/*/*.parquet")))
    name = str(shard.relative_to(dataset))
    (staging / name).parent.mkdir(parents=True)
    shutil.move(shard, staging / name)
    shutil.copy(dataset / "manifest.json", staging / "manifest.json")
    (staging / "COMMIT").write_text(json.dumps([name]))
    path = asked(tmp_path, {"domain": "nowhere.example"})
    assert erase(["--dataset", str(dataset), "--requests", path]) == 0
    assert shard.exists()
    assert not staging.exists()


def test_malformed_requests_change_nothing(dataset, tmp_path, capsys):
    before, row = hashes(dataset), some_row(dataset)
    path = asked(tmp_path, {"image_url": row["URL"]}, {"image_url": row["URL"], "name": "somebody"})
    assert erase(["--dataset", str(dataset), "--requests", path]) == 2
    assert "line 2" in capsys.readouterr().err
    assert hashes(dataset) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "{out}"], "nothing is asked for"),
        (["--dataset", "{empty}", "--requests", "{requests}"], "holds no manifest.json"),
        (
            ["--dataset", "{out}", "--requests", "{requests}", "--tombstones", "{out}/private"],
            "they are confidential",
        ),
        (["status", "--dataset", "{out}"], "cannot be read"),
        (["--dataset", "{out}", "--hash-list", "{empty}/none"], "cannot be read"),
    ],
)
def test_errors_name_the_remedy(arguments, message, dataset, tmp_path, capsys):
    places = {
        "out": dataset,
        "empty": tmp_path / "empty",
        "requests": asked(tmp_path, {"domain": "b.example"}),
    }
    assert erase([a.format(**places) for a in arguments]) == 2
    assert message in capsys.readouterr().err


def test_status_says_what_became_of_each_request(dataset, tmp_path, capsys):
    row = some_row(dataset)
    erase(
        [
            "--dataset",
            str(dataset),
            "--requests",
            asked(
                tmp_path, {"key": row["key"], "receipt": "abcdefgh"}, {"domain": "nowhere.example"}
            ),
        ]
    )
    capsys.readouterr()
    assert erase(["status", "--dataset", str(dataset)]) == 0
    printed = capsys.readouterr().out
    assert "version 2" in printed
    assert "2 requests, 1 rows taken out of 1 shards" in printed
    said = (tmp_path / "out.erased" / "status.json").read_text()
    assert json.loads(said)["requests"][0] == {
        "receipt": "abcdefgh",
        "kind": "key",
        "rows": 1,
        "shards": 1,
        "version": 2,
    }
    assert "nowhere.example" not in said
    assert row["URL"] not in said
    assert erase(["rotate-keys", "--dataset", str(dataset)]) == 0


def test_a_dry_run_leaves_an_erasure_that_is_under_way_alone(dataset, tmp_path):
    (dataset / "unfinished-erasure").mkdir()
    (dataset / "unfinished-erasure" / "staged").write_text("by another process")
    assert (
        erase(
            [
                "--dataset",
                str(dataset),
                "--requests",
                asked(tmp_path, {"domain": "b.example"}),
                "--dry-run",
            ]
        )
        == 0
    )
    assert (dataset / "unfinished-erasure" / "staged").exists()


def test_two_erasures_at_once(dataset, tmp_path, capsys):
    with one_writer(str(tmp_path / "out.erased")):
        assert (
            erase(
                [
                    "--dataset",
                    str(dataset),
                    "--requests",
                    asked(tmp_path, {"key": some_row(dataset)["key"]}),
                ]
            )
            == 1
        )
    assert "another run works there" in capsys.readouterr().err
    assert manifest_of(dataset)["version"] == 1


def test_asking_again_finds_nothing_and_makes_no_version(dataset, tmp_path):
    path = asked(tmp_path, {"key": some_row(dataset)["key"]})
    assert erase(["--dataset", str(dataset), "--requests", path]) == 0
    before = hashes(dataset)
    assert erase(["--dataset", str(dataset), "--requests", path]) == 0
    assert hashes(dataset) == before


def test_what_is_found_again_fails_loudly(dataset, tmp_path, monkeypatch, capsys):
    row = some_row(dataset)

    def keeps_everything(source, target, gone):
        target.write(source.read())
        return 0

    monkeypatch.setattr(rewrite, "write_table_without", keeps_everything)
    assert (
        erase(["--dataset", str(dataset), "--requests", asked(tmp_path, {"key": row["key"]})]) == 1
    )
    assert "1 rows in 1 shards were found again" in capsys.readouterr().err


def test_a_config_that_would_bring_people_back_is_refused(dataset, made, run_demo, tmp_path):
    assert (
        erase(
            [
                "--dataset",
                str(dataset),
                "--requests",
                asked(tmp_path, {"key": some_row(dataset)["key"]}),
            ]
        )
        == 0
    )
    shutil.copytree(made.work, tmp_path / "work")
    refused = run_demo(*ARGUMENTS, folder=tmp_path)
    assert refused.status == 2
    assert "this config would bring them back" in refused.printed
    assert manifest_of(dataset)["version"] == 2


def test_the_picture_does_not_come_back_from_elsewhere(dataset, run_demo, tmp_path):
    """Mirrored by another host under another name, re-encoded, with another caption."""
    row = some_row(dataset)
    assert (
        erase(["--dataset", str(dataset), "--requests", asked(tmp_path, {"image_url": row["URL"]})])
        == 0
    )
    again = io.BytesIO()
    Image.open(io.BytesIO(bytes_of(row))).convert("RGB").save(again, "JPEG", quality=80)
    crawl = tmp_path / "next.warc.gz"
    crawl.write_bytes(
        response("https://mirror.example/x.jpg", again.getvalue(), kind="image/jpeg")
        + response(row["URL"], bytes_of(row), kind="image/png")
        + page(
            "https://other.example/",
            f'<img src="https://mirror.example/x.jpg" alt="{row["TEXT"]}"><img src="{row["URL"]}" alt="{row["TEXT"]} again">',
        )
    )
    rule = f"filters.rules.erasure={{tombstones: {tmp_path / 'out.erased'}}}"
    (tmp_path / "next").mkdir()
    ran = run_demo("--input", str(crawl), "--set", rule, folder=tmp_path / "next")
    assert ran.status == 0, ran.printed
    counts = manifest_of(ran.output)["counts"]
    assert counts["fetch"]["pair"]["dropped"] == {"not_requested": 1}
    assert counts["publish"]["sample"]["kept"] == 0
    assert set(counts["publish"]["sample"]["dropped"]) == {"erased_url", "erased_picture_alike"}


def test_tombstones_that_are_gone_stop_a_run(run_demo, tmp_path):
    ran = run_demo(
        "--set", f"filters.rules.erasure={{tombstones: {tmp_path / 'gone'}}}", folder=tmp_path
    )
    assert ran.status == 2
    assert "what was erased would come back" in ran.printed


def test_pictures_on_hash_lists_are_dropped_without_a_trace_of_their_row(made, run_demo, tmp_path):
    row = some_row(made.output)
    (tmp_path / "list").write_text(row["md5"])
    rules = [
        "--set",
        "filters.detectors.content_sha1={}",
        "--set",
        f"filters.rules.hash_lists={{files: {{{tmp_path / 'list'}: auto}}}}",
    ]
    ran = run_demo(*rules, folder=tmp_path)
    assert ran.status == 0, ran.printed
    assert manifest_of(ran.output)["counts"]["publish"]["sample"]["dropped"]["hash_list_md5"] == 1
    (entry,) = [
        e
        for p in ran.output.glob("ledger/*.parquet")
        for e in pq.read_table(p).to_pylist()
        if e["rule"] == "hash_lists"
    ]
    assert entry["id"] == ""
    assert str(tmp_path / "list") not in (ran.output / "manifest.json").read_text()


@pytest.fixture(scope="module")
def embedded(run_demo):
    return run_demo(
        *ARGUMENTS, "--set", "publish.embeddings=npy", "--set", "score.keep_embeddings=true"
    )


def test_embeddings_are_published_row_by_row(embedded):
    assert embedded.status == 0, embedded.printed
    manifest = manifest_of(embedded.output)
    (folder,) = (embedded.work / "score").iterdir()
    scored = {
        row["key"].hex(): row
        for path in folder.glob("part-*.parquet")
        for row in pq.read_table(path).to_pylist()
    }
    number = 0
    for path in sorted(embedded.output.glob("dataset/*/*.parquet")):
        keys = pq.read_table(path)["key"].to_pylist()
        vectors = np.load(embedded.output / "embeddings" / path.parent.name / f"{path.stem}.npy")
        assert len(vectors) == len(keys)
        for key, vector in zip(keys, vectors, strict=True):
            if key in scored:  # redacted rows have another key
                number += 1
                assert vector.dtype == np.float16
                assert np.allclose(vector, np.array(scored[key]["embedding"], np.float16))
    assert number > 100
    assert sum(f["path"].startswith("embeddings/") for f in manifest["files"]) == 12


def test_embeddings_that_are_not_kept_cannot_be_published(run_demo, tmp_path):
    refused = run_demo("--set", "publish.embeddings=npy", folder=tmp_path)
    assert refused.status == 2
    assert "set score.keep_embeddings to true" in refused.printed


def test_neighbours_are_listed_and_taken_out_when_somebody_has_looked(embedded, tmp_path, capsys):
    shutil.copytree(embedded.output, tmp_path / "out")
    dataset = tmp_path / "out"
    row = next(r for r in rows_of(dataset) if r["sha256"])
    image = Image.open(io.BytesIO(bytes_of(row))).convert("RGB")
    width, height = image.size
    # no hash finds it
    image.crop((width // 8, height // 8, width - 4, height - 4)).save(tmp_path / "crop.png")
    given = [
        "--dataset",
        str(dataset),
        "--requests",
        asked(tmp_path, {"image": "crop.png"}),
        "--config",
        str(CONFIGS / "demo.yaml"),
    ]
    assert erase([*given, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert row["key"] in printed
    assert printed.splitlines()[-1].startswith("0 rows")
    assert erase([*given, "--confirm", row["key"]]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("1 rows in 1 shards taken out")
    assert row["key"] not in {r["key"] for r in rows_of(dataset)}
    shards = {p.stem: pq.read_metadata(p).num_rows for p in dataset.glob("dataset/en/*.parquet")}
    assert {p.stem: len(np.load(p)) for p in dataset.glob("embeddings/en/*.npy")} == shards


def test_neighbours_need_vectors_and_their_model(embedded, dataset, tmp_path, capsys):
    Image.effect_noise((64, 64), 90).save(tmp_path / "me.png")
    given = [
        "--requests",
        asked(tmp_path, {"image": "me.png"}),
        "--config",
        str(CONFIGS / "demo.yaml"),
        "--dry-run",
    ]
    assert erase(["--dataset", str(dataset), *given]) == 2
    assert "has no embeddings" in capsys.readouterr().err
    manifest = manifest_of(embedded.output)
    manifest["models"]["demo"]["weights_sha256"] = "other"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "manifest.json").write_text(json.dumps(manifest))
    shutil.copytree(embedded.output / "dataset", tmp_path / "other" / "dataset")
    assert erase(["--dataset", str(tmp_path / "other"), *given]) == 2
    assert "other models" in capsys.readouterr().err


def test_embeddings_stay_beside_their_rows(dataset, tmp_path):
    row = some_row(dataset)
    shard = next(
        p
        for p in sorted(dataset.glob("dataset/*/*.parquet"))
        if row["key"] in pq.read_table(p)["key"].to_pylist()
    )
    rows = pq.read_table(shard).num_rows
    vectors = np.arange(rows * 4, dtype=np.float16).reshape(rows, 4)
    name = f"embeddings/{shard.parent.name}/{shard.stem}.npy"
    (dataset / name).parent.mkdir(parents=True)
    np.save(dataset / name, vectors)
    manifest = manifest_of(dataset)
    manifest["files"].append(
        {
            "path": name,
            "rows": rows,
            "bytes": (dataset / name).stat().st_size,
            "sha256": hashes(dataset)[name],
        }
    )
    (dataset / "manifest.json").write_text(json.dumps(manifest))
    at = pq.read_table(shard)["key"].to_pylist().index(row["key"])
    assert (
        erase(["--dataset", str(dataset), "--requests", asked(tmp_path, {"key": row["key"]})]) == 0
    )
    assert np.array_equal(np.load(dataset / name), np.delete(vectors, at, axis=0))


@pytest.fixture
def foreign(tmp_path):
    """A dataset as LAION's was, in two files."""
    folder = tmp_path / "laion"
    (folder / "sub").mkdir(parents=True)
    for n, place in enumerate((folder, folder / "sub")):
        rows = {
            "URL": [f"https://{host}.example/{n}.jpg" for host in "abc"],
            "TEXT": list("xyz"),
            "hash": [n, n + 1, n + 2],
            "similarity": [0.3] * 3,
        }
        pq.write_table(pa.table(rows), place / f"part-{n}.snappy.parquet")
    return folder


def test_a_dataset_of_others_is_adopted_and_erased_from(foreign, tmp_path, capsys):
    before = hashes(foreign)
    assert adopt(["--dataset", str(foreign)]) == 0
    assert "6 rows in 2 files adopted; columns URL, TEXT, hash" in capsys.readouterr().out
    after = hashes(foreign)
    assert {n: after[n] for n in before} == before, "nothing else is changed"
    listed = {f["path"]: f["sha256"] for f in manifest_of(foreign)["files"]}
    assert listed == before
    assert (
        erase(
            [
                "--dataset",
                str(foreign),
                "--requests",
                asked(tmp_path, {"domain": "b.example"}, {"md5": "ab" * 16}),
            ]
        )
        == 0
    )
    printed = capsys.readouterr().out
    assert "the dataset has no md5, page_url, pdq, sha256" in printed
    assert printed.splitlines()[-1] == "2 rows in 2 shards taken out; version 2"
    left = [row for p in foreign.rglob("part-*.parquet") for row in pq.read_table(p).to_pylist()]
    assert {row["URL"][8] for row in left} == {"a", "c"}
    assert not (foreign / "README.md").exists()
    told = [
        d["hash"] for d in pq.read_table(foreign / "erasures" / "delta-00002.parquet").to_pylist()
    ]
    assert told == sorted(token(tmp_path / "laion.erased", "hash", value) for value in (1, 2))


def test_the_list_of_what_is_gone_is_no_shard(tmp_path):
    folder = tmp_path / "theirs"
    folder.mkdir()
    pq.write_table(
        pa.table(
            {
                "url": ["https://a.example/1.jpg", "https://b.example/2.jpg"],
                "key": ["ab" * 16, "cd" * 16],
            }
        ),
        folder / "x.parquet",
    )
    assert adopt(["--dataset", str(folder)]) == 0
    for _ in range(2):
        assert (
            erase(["--dataset", str(folder), "--requests", asked(tmp_path, {"key": "ab" * 16})])
            == 0
        )
    assert manifest_of(folder)["version"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "{empty}"], "holds no parquet files"),
        (["--dataset", "{foreign}", "--columns", "URL=link"], "known are"),
        (["--dataset", "{foreign}", "--columns", "NAME=TEXT"], "known are"),
        (["--dataset", "{foreign}", "--columns", "URL"], "--columns URL: give a pair"),
    ],
)
def test_what_cannot_be_adopted(arguments, message, foreign, tmp_path, capsys):
    assert adopt([a.format(empty=tmp_path / "empty", foreign=foreign) for a in arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_bug_of_adopting_keeps_its_traceback(foreign, monkeypatch):
    def break_down(folder):
        raise ValueError("a bug of ours")

    monkeypatch.setattr(files, "files_below", break_down)
    with pytest.raises(ValueError, match="a bug of ours"):
        adopt(["--dataset", str(foreign)])


def test_a_file_that_is_no_parquet_is_named(foreign, capsys):
    (foreign / "junk.parquet").write_bytes(b"junk")
    assert adopt(["--dataset", str(foreign)]) == 2
    assert "junk.parquet is no parquet file" in capsys.readouterr().err


def test_adopting_twice_is_refused(foreign, capsys):
    assert adopt(["--dataset", str(foreign)]) == 0
    assert adopt(["--dataset", str(foreign)]) == 2
    assert "has a manifest already" in capsys.readouterr().err


def test_a_dataset_of_an_earlier_version_is_erased_from(dataset, tmp_path):
    """Settings that were not asked for when it was made are missing in its manifest."""
    manifest, row = manifest_of(dataset), some_row(dataset)
    for name in (
        "url",
        "licence",
        "contact",
        "embeddings",
        "rows_per_shard",
        "release_check",
        "release_limits",
    ):
        del manifest["config"]["publish"][name]
    (dataset / "manifest.json").write_text(json.dumps(manifest))
    assert (
        erase(["--dataset", str(dataset), "--requests", asked(tmp_path, {"image_url": row["URL"]})])
        == 0
    )
    assert manifest_of(dataset)["version"] == 2
    assert row["key"] not in {r["key"] for r in rows_of(dataset)}


def test_recipients_find_what_is_gone_as_the_docs_say(dataset, tmp_path):
    """The code is that of docs/operations.md."""
    rows, row = rows_of(dataset), some_row(dataset)
    assert (
        erase(["--dataset", str(dataset), "--requests", asked(tmp_path, {"key": row["key"]})]) == 0
    )
    (code,) = re.findall(
        r"^```python\n(.*?)^```",
        (CONFIGS.parent / "docs" / "operations.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    told: dict = {}
    exec(code, told)
    gone = pq.read_table(dataset / "erasures" / "delta-00002.parquet").to_pylist()
    secret = bytes.fromhex((tmp_path / "out.erased" / "recipients.key").read_text())
    assert told["without_erased"](rows, gone, secret) == rows_of(dataset)
    assert told["without_erased"](rows, gone, bytes(32)) == rows


@pytest.fixture
def with_copies(dataset):
    """The dataset, where rows 1 to 3 of its largest shard show the picture of row 0: the first one
    turned, and the third one near the second one alone.
    """
    path = max(dataset.glob("dataset/*/*.parquet"), key=lambda shard: pq.read_table(shard).num_rows)
    table = pq.read_table(path)
    digest = np.random.default_rng(0).integers(0, 256, 32, dtype=np.uint8)
    far = digest.copy()
    far[:2] ^= 0xFF
    farther = far.copy()
    farther[2:5] ^= 0xFF
    turned = np.frombuffer(orientations(digest.tobytes())[3], np.uint8)
    column = table["pdq"].to_pylist()
    for row, one in enumerate((digest, turned, far, farther)):
        column[row] = one.tobytes().hex()
    place = table.schema.get_field_index("pdq")
    table = table.set_column(place, table.schema.field("pdq"), [column])
    nothing = pa.nulls(table.num_rows, pa.string())
    place = table.schema.get_field_index("pdq_trimmed")
    table = table.set_column(place, table.schema.field("pdq_trimmed"), nothing)
    content = shard_bytes(table, "key")
    path.write_bytes(content)
    manifest = manifest_of(dataset)
    for file in manifest["files"]:
        if file["path"] == str(path.relative_to(dataset)):
            file.update(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    (dataset / "manifest.json").write_text(json.dumps(manifest))
    return dataset, table.to_pylist()[:4]


def test_copies_are_shown_and_taken_out_when_somebody_agrees(with_copies, tmp_path, capsys):
    dataset, rows = with_copies
    path = asked(tmp_path, {"key": rows[0]["key"]})
    arguments = ["--dataset", str(dataset), "--requests", path]
    before = hashes(dataset)
    assert erase([*arguments, "--copies", "show", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "3 other rows show the same pictures and stay" in said
    assert all(f"{row['key']}  {row['URL']}" in said for row in rows[1:])
    assert said.splitlines()[-1] == "1 rows in 1 shards would be taken out; version 1"
    assert hashes(dataset) == before

    assert erase([*arguments, "--copies", "take"]) == 0
    said = capsys.readouterr().out
    assert "3 more rows that show the same pictures" in said
    assert said.splitlines()[-1] == "4 rows in 1 shards taken out; version 2"
    left = {row["key"] for row in rows_of(dataset)}
    assert left.isdisjoint(row["key"] for row in rows)
    assert erase([*arguments, "--copies", "show"]) == 0
    assert "no other row shows these pictures" in capsys.readouterr().out


def test_copies_that_were_chosen_go_with_a_request_of_the_page(with_copies, tmp_path):
    """What /admin does: find, choose, approve; and `requests apply` takes them out."""
    dataset, rows = with_copies
    queue = str(tmp_path / "queue")
    receipt = ask(queue, [{"key": rows[0]["key"]}])
    copies = _find_copies(str(dataset), parsed(look_up(queue, receipt)))
    assert {copy.key: copy.url for copy in copies} == {row["key"]: row["URL"] for row in rows[1:]}

    count = partial(count_rows, str(dataset))
    chosen = {receipt: [rows[1]["key"], rows[3]["key"]]}
    approval = prepare_approval(queue, [receipt], count, chosen)
    assert approval.together.rows == 3
    approval.make(max_rows=3)
    assert requests_main(["apply", "--dataset", str(dataset), "--queue", queue]) == 0
    left = {row["key"] for row in rows_of(dataset)}
    assert [row["key"] in left for row in rows] == [False, False, True, False]


def test_copies_of_a_domains_pictures_are_not_looked_for_unless_asked(
    with_copies, tmp_path, capsys
):
    dataset, rows = with_copies
    host = rows[0]["URL"].split("/")[2]
    others = [row for row in rows[1:] if row["URL"].split("/")[2] != host]
    arguments = ["--dataset", str(dataset), "--copies", "show", "--dry-run", "--requests"]
    assert erase([*arguments, asked(tmp_path, {"domain": host})]) == 0
    assert "no other row shows these pictures" in capsys.readouterr().out
    assert erase([*arguments, asked(tmp_path, {"domain": host, "copies": True})]) == 0
    said = capsys.readouterr().out
    assert [row["key"] for row in others if row["key"] not in said] == []
