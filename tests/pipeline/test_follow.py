"""Erasures reach copies: whatever tool made them, no erased row is left, and no other row goes."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pairsieve.copies.change import STAGING
from pipeline.cli import main as pairsieve
from pipeline.commands.adopt import main as adopt
from pipeline.commands.erase import main as erase
from pipeline.commands.follow import main as follow
from pipeline.commands.verify import main as verify
from tests.support import recipients
from tests.support.datasets import hashes, manifest_of, rows_of
from tests.support.demo_on_site import write_demo_crawl
from tests.support.killing import KILLED
from tests.support.site import serve_site
from tests.support.web_crawl import web_settings

pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class Held:
    """A dataset before and after two erasures, and copies of what it was before.

    `gone`: the rows that were taken out. `left`: the others.
    """

    root: Path
    gone: list[dict[str, Any]]
    left: list[dict[str, Any]]

    def copy(self, name: str, place: Path) -> Path:
        """A copy that a test may change."""
        if not (self.root / name).exists():
            pytest.skip("the tool that makes this copy is not installed; .ci/run does")
        shutil.copytree(self.root / name, place / name)
        return place / name

    def arguments(self, copy: Path | str, feed: Path | str = "") -> list[str]:
        keys = self.root / "ds.erased"
        return [
            f"--feed={feed or self.root / 'ds'}",
            f"--copy={copy}",
            f"--public-key={keys / 'feed.pub'}",
            f"--key={keys / 'recipients.key'}",
        ]


def asked(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps({"image_url": row["URL"]}) + "\n" for row in rows))
    return str(path)


def some_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every ninth row whose picture stands nowhere else."""
    single = [row for row in rows if sum(row["URL"] == other["URL"] for other in rows) == 1]
    return single[::9]


@pytest.fixture(scope="module")
def held(run_demo, tmp_path_factory) -> Iterator[Held]:
    root = tmp_path_factory.mktemp("held")
    with serve_site() as site:
        write_demo_crawl(site, root / "crawl.warc.gz")
        own = (*web_settings(site), "fetch.min_interval_s=0", "publish.shards=2")
        vectors = ("publish.embeddings=npy", "score.keep_embeddings=true")
        settings = [f"--set={setting}" for setting in (*own, *vectors)]
        ran = run_demo("--input", str(root / "crawl.warc.gz"), *settings, folder=root)
        assert ran.status == 0, ran.printed
        shutil.copytree(ran.output, root / "ds")
        shutil.copytree(ran.output, root / "dataset")
        for output_format in ("files", "webdataset"):
            if recipients.is_installed():
                shards = ran.output / "dataset" / "en"
                recipients.img2dataset(shards, root / output_format, output_format)
    if recipients.is_installed():
        recipients.clip_retrieval(root / "webdataset", root / "clip")
        shutil.copytree(root / "clip", root / "indexed")
        recipients.with_index(root / "indexed")
    gone = some_rows(rows_of(ran.output))
    assert len(gone) > 8
    for number, rows in enumerate((gone[:4], gone[4:])):
        requests = asked(root / f"{number}.jsonl", rows)
        assert erase(["--dataset", str(root / "ds"), "--requests", requests]) == 0
    yield Held(root, gone, rows_of(root / "ds"))


def words_left(folder: Path, gone: list[dict[str, Any]]) -> list[str]:
    """URLs and ids of erased rows that a copy still says."""
    names = ("URL", "key", "sha256")
    left = {row["sha256"] for row in rows_of(folder)} if (folder / "dataset").exists() else set()
    wanted = {str(row[name]) for row in gone for name in names} - left
    said = list(recipients.texts_of(folder))
    return sorted(word for word in wanted if any(word in text for text in said))


def test_a_copy_of_the_dataset_becomes_its_new_version(held, tmp_path, capsys):
    """Byte for byte: shards, vectors, and what the manifest says of them."""
    copy = held.copy("dataset", tmp_path)
    assert words_left(copy, held.gone)
    assert follow(held.arguments(copy)) == 0, capsys.readouterr()
    said = capsys.readouterr().out
    assert "feed: 2 entries" in said
    assert f"rows of tables: {len(held.gone)}\nvectors: {len(held.gone)}\n" in said
    assert words_left(copy, held.gone) == []
    ours, theirs = hashes(held.root / "ds"), hashes(copy)
    trees = ("dataset/", "embeddings/", "ledger/")
    assert {p: h for p, h in ours.items() if p.startswith(trees)} == {
        p: h for p, h in theirs.items() if p.startswith(trees)
    }
    assert manifest_of(copy)["version"] == 3
    assert verify(["--dataset", str(copy)]) == 0
    assert not (copy / STAGING).exists()
    again = hashes(copy)
    assert follow(held.arguments(copy)) == 0
    assert hashes(copy) == again


def test_a_copy_with_laions_columns(held, tmp_path):
    """It has no key, so the URL decides."""
    place = ["--dataset", str(held.root / "dataset"), "--out", str(tmp_path / "laion")]
    with pytest.raises(SystemExit) as ended:
        pairsieve(["export", *place, "--laion-compat"])
    assert ended.value.code == 0
    assert follow(held.arguments(tmp_path / "laion")) == 0
    left = {(row["URL"], row["TEXT"]) for row in rows_of(tmp_path / "laion")}
    assert left == {(row["URL"], row["TEXT"]) for row in held.left}
    assert verify(["--dataset", str(tmp_path / "laion")]) == 0


@pytest.mark.parametrize("kind", ["files", "webdataset"])
def test_what_img2dataset_downloaded(kind, held, tmp_path, capsys):
    copy = held.copy(kind, tmp_path)
    before = recipients.samples_of(copy)
    assert words_left(copy, held.gone)
    assert follow(held.arguments(copy)) == 0, capsys.readouterr()
    assert words_left(copy, held.gone) == []
    after = recipients.samples_of(copy)
    erased = {f"{row['URL']} {row['TEXT']}" for row in held.gone}
    assert before.keys() & erased
    assert after == {name: record for name, record in before.items() if name not in erased}
    tables = [pq.read_table(path) for path in sorted(copy.glob("*.parquet"))]
    urls = {f"{row['url']} {row['caption']}" for table in tables for row in table.to_pylist()}
    assert urls == after.keys()
    # Of each sample that stays there are all files: picture, caption and record.
    if kind == "files":
        assert len(list(copy.glob("*/*.jpg"))) == len(list(copy.glob("*/*.txt"))) == len(after)


def test_clip_retrievals_vectors_stay_beside_their_rows(held, tmp_path, capsys):
    copy = held.copy("clip", tmp_path)
    before = {kind: recipients.vectors_by_row(copy, kind) for kind in ("img_emb", "text_emb")}
    assert follow(held.arguments(copy)) == 0, capsys.readouterr()
    assert words_left(copy, held.gone) == []
    for kind, vectors in before.items():
        after = recipients.vectors_by_row(copy, kind)
        assert after == {name: vectors[name] for name in after}
        assert 0 < len(after) < len(vectors)


def test_rows_to_which_an_index_refers_become_empty(held, tmp_path, capsys):
    """The n-th row is the n-th vector of the index, before and after."""
    copy = held.copy("indexed", tmp_path)
    paths = [*sorted(copy.glob("metadata/*.parquet"))]
    before = [row for path in paths for row in pq.read_table(path).to_pylist()]
    assert follow(held.arguments(copy)) == 1
    said = capsys.readouterr().out
    assert "not reached: image.index: " in said
    assert said.splitlines()[-1].endswith(", 1 places not reached")
    assert words_left(copy, held.gone) == []
    after = [row for path in paths for row in pq.read_table(path).to_pylist()]
    assert len(after) == len(before)
    erased = {row["URL"] for row in held.gone}
    for old, new in zip(before, after, strict=True):
        if old["url"] in erased:
            # clip-retrieval calls os.path.exists(image_path).
            assert (new["url"], new["caption"], new["image_path"]) == ("", "", "")
            assert new["similarity"] is None
        else:
            assert new == old
    emptied = [number for number, row in enumerate(after) if not row["url"]]
    vectors = np.concatenate([np.load(path) for path in sorted(copy.glob("img_emb/*.npy"))])
    assert [number for number, vector in enumerate(vectors) if not vector.any()] == emptied
    # Empty rows are no rows that cannot be judged; and a person may say that the index is new.
    assert follow([*held.arguments(copy), "--accept=*.index"]) == 0


def test_a_dry_run_changes_nothing(held, tmp_path, capsys):
    copy = held.copy("dataset", tmp_path)
    before = hashes(copy)
    assert follow([*held.arguments(copy), "--dry-run"]) == 0
    number = 2 * len(held.gone)
    assert f"{number} would be taken out, no places not reached" in capsys.readouterr().out
    assert hashes(copy) == before


def feed_lines(held: Held) -> list[str]:
    return (held.root / "ds" / "erasures" / "feed.jsonl").read_text().splitlines(keepends=True)


def served(held: Held, place: Path, text: str) -> Path:
    """The feed with another text."""
    shutil.copytree(held.root / "ds" / "erasures", place / "erasures")
    (place / "erasures" / "feed.jsonl").write_text(text)
    return place / "erasures"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines[:1], "its end was cut off, or it is an old one"),
        (lambda lines: [], "its end was cut off, or it is an old one"),
        (lambda lines: lines[::-1], "does not follow the one before it"),
        (lambda lines: lines[1:], "does not follow the one before it"),
        (lambda lines: [*lines, lines[1]], "does not follow the one before it"),
        (lambda lines: [lines[0], lines[1].replace("rows", "Rows")], "forged or damaged"),
        (lambda lines: [lines[0], lines[1][:-20]], "cut off, or no entry"),
    ],
)
@pytest.mark.parametrize("is_new", [False, True])
def test_a_feed_that_is_refused_changes_nothing(change, message, is_new, held, tmp_path, capsys):
    """A new copy has seen nothing of the feed: what is cut off whole it learns by --at-least."""
    copy = held.copy("dataset", tmp_path)
    if not is_new:
        assert follow(held.arguments(copy)) == 0
    at_least = ["--at-least=2"] if is_new else []
    before = hashes(copy)
    feed = served(held, tmp_path, "".join(change(feed_lines(held))))
    assert follow([*held.arguments(copy, feed), *at_least]) == 2
    said = capsys.readouterr().err
    assert "the feed is refused" in said
    assert message.rpartition(", or")[0] in said
    assert hashes(copy) == before


def test_a_list_of_rows_that_was_changed_is_refused(held, tmp_path, capsys):
    copy = held.copy("dataset", tmp_path)
    feed = served(held, tmp_path, "".join(feed_lines(held)))
    shutil.copy(feed / "delta-00002.parquet", feed / "delta-00003.parquet")
    assert follow(held.arguments(copy, feed)) == 2
    assert "delta-00003.parquet is missing, or is not the list that was signed" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (f"--public-key={'ab' * 32}", "was not signed by the key abababab"),
        ("--public-key=abc", "64 hex digits"),
        ("--key=/nonexistent", "holds no secret"),
        ("--feed=/nonexistent", "holds no feed.jsonl"),
        ("--copy=/nonexistent", "is not there"),
        ("--at-least=3", "the publisher says that there are 3"),
    ],
)
def test_what_is_missing(option, message, held, tmp_path, capsys):
    copy = held.copy("dataset", tmp_path)
    assert follow([*held.arguments(copy), option]) == 2
    assert message in capsys.readouterr().err


def test_another_key_for_the_tokens_is_refused(held, tmp_path, capsys):
    """With it no row would be found, and nobody would know."""
    copy = held.copy("dataset", tmp_path)
    (tmp_path / "other.key").write_text("cd" * 32)
    before = hashes(copy)
    assert follow([*held.arguments(copy), f"--key={tmp_path / 'other.key'}"]) == 2
    assert "entry 1 is under another recipients.key" in capsys.readouterr().err
    assert hashes(copy) == before


def test_files_that_do_not_end(held, tmp_path, capsys, monkeypatch):
    copy = held.copy("dataset", tmp_path)
    feed = served(held, tmp_path, "".join(feed_lines(held)))
    with (feed / "delta-00003.parquet").open("ab") as stream:
        stream.write(bytes(10))
    assert follow(held.arguments(copy, feed)) == 2
    assert "delta-00003.parquet is longer than" in capsys.readouterr().err
    monkeypatch.setattr("pipeline.dataset.follow.MAX_FEED_BYTES", 100)
    assert follow(held.arguments(copy)) == 2
    assert "feed.jsonl is longer than 100 bytes" in capsys.readouterr().err


def test_a_copy_in_a_store(held, tmp_path, on_s3):
    place, store = on_s3
    copy = small_copy(tmp_path / "copy", held)
    for path in hashes(copy):
        store.pipe_file(f"{place}/held/{path}", (copy / path).read_bytes())
    assert follow(held.arguments(f"{place}/held")) == 0
    store.invalidate_cache()
    got = tmp_path / "got"
    store.get(f"{place}/held/", str(got), recursive=True)
    assert is_whole(got, held)
    assert words_left(got, held.gone) == []


def test_a_feed_over_http(held, tmp_path):
    copy = held.copy("dataset", tmp_path)
    with serve_site() as site:
        for path in (held.root / "ds" / "erasures").iterdir():
            site.contents[f"/ds/erasures/{path.name}"] = path.read_bytes()
        assert follow(held.arguments(copy, f"{site.origin}/ds/erasures")) == 0
    assert words_left(copy, held.gone) == []


def test_what_cannot_be_reached_is_named(held, tmp_path, capsys):
    copy = tmp_path / "copy"
    copy.mkdir()
    gone = held.gone[0]
    pq.write_table(pa.table({"TEXT": [gone["TEXT"]]}), copy / "captions.parquet")
    pq.write_table(
        pa.table({"url": [gone["URL"], None, "https://a.example/1.jpg"]}), copy / "b.parquet"
    )
    np.save(copy / "b.npy", np.ones((2, 4), np.float16))
    (copy / "notes.csv").write_text("a,b\n")
    (copy / "damaged.parquet").write_bytes(b"PAR1")
    (copy / "damaged.tar").write_bytes(b"x" * 2000)
    (copy / "00000").mkdir()
    for name in ("000000001.jpg", "000000002.jpg", "000000002.json"):
        (copy / "00000" / name).write_text('{"caption": "words"}')
    (tmp_path / "elsewhere.parquet").write_bytes((copy / "captions.parquet").read_bytes())
    (copy / "link.parquet").symlink_to(tmp_path / "elsewhere.parquet")
    assert follow(held.arguments(copy)) == 1
    said = capsys.readouterr().out
    for line in (
        "00000/: 2 samples have no JSON with an id, URL or sha256 that tells",
        "b.npy: it has 2 vectors, and its table 3 rows",
        "b.parquet: 1 of 3 rows have no id, URL or sha256 that tells",
        "captions.parquet: 1 of 1 rows have no id, URL or sha256 that tells",
        "damaged.parquet: it cannot be read",
        "damaged.tar: it cannot be read",
        "link.parquet: it is a link; follow the folder that it leads to",
        "notes.csv: nothing is known of files of this kind",
    ):
        assert f"not reached: {line}\n" in said
    assert "1 taken out, 8 places not reached" in said
    assert pq.read_table(copy / "b.parquet")["url"].to_pylist() == [None, "https://a.example/1.jpg"]
    assert (tmp_path / "elsewhere.parquet").exists()


def test_a_picture_without_a_record_goes_by_the_table_beside_it(held, tmp_path):
    copy = held.copy("files", tmp_path)
    for path in copy.glob("*/*.json"):
        path.unlink()
    rows = [row for path in copy.glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    erased = {row["URL"] for row in held.gone}
    wanted = {row["key"] for row in rows if row["url"] not in erased and row["status"] == "success"}
    assert follow(held.arguments(copy)) == 0
    assert {path.stem for path in copy.glob("*/*.jpg")} == wanted


def test_lists_of_versions_without_a_feed_get_their_entries(held, tmp_path):
    """A dataset whose first erasure was made before there was a feed."""
    shutil.copytree(held.root / "ds", tmp_path / "ds")
    shutil.copytree(held.root / "ds.erased", tmp_path / "ds.erased")
    (tmp_path / "ds" / "erasures" / "feed.jsonl").unlink()
    requests = asked(tmp_path / "r.jsonl", held.left[:1])
    assert erase(["--dataset", str(tmp_path / "ds"), "--requests", requests]) == 0
    copy = held.copy("dataset", tmp_path)
    assert follow(held.arguments(copy, tmp_path / "ds")) == 0
    assert words_left(copy, held.gone) == []
    assert manifest_of(copy)["version"] == 4


@pytest.mark.parametrize("name", ["feed.key", "recipients.key"])
@pytest.mark.parametrize("content", ["12" * 32, None])
def test_a_lost_key_stops_the_erasure(name, content, held, tmp_path, capsys):
    """Before anything is changed, and without making another key."""
    shutil.copytree(held.root / "ds", tmp_path / "ds")
    shutil.copytree(held.root / "ds.erased", tmp_path / "ds.erased")
    key = tmp_path / "ds.erased" / name
    key.unlink()
    if content:
        key.write_text(content)
    before = hashes(tmp_path)
    requests = asked(tmp_path / "r.jsonl", held.left[:1])
    assert erase(["--dataset", str(tmp_path / "ds"), "--requests", requests]) == 2
    assert "Put feed.key and recipients.key back" in capsys.readouterr().err
    (tmp_path / "r.jsonl").unlink()
    assert hashes(tmp_path) == before


def test_a_new_feed_leaves_out_lists_under_a_lost_key(held, tmp_path):
    """Nobody who has the new key can read them."""
    shutil.copytree(held.root / "ds", tmp_path / "ds")
    (tmp_path / "ds" / "erasures" / "feed.jsonl").unlink()
    requests = asked(tmp_path / "r.jsonl", held.left[:1])
    assert erase(["--dataset", str(tmp_path / "ds"), "--requests", requests]) == 0
    feed = (tmp_path / "ds" / "erasures" / "feed.jsonl").read_text().splitlines()
    (entry,) = [json.loads(json.loads(line)["signed"]) for line in feed]
    assert (entry["sequence"], entry["delta"]) == (1, "delta-00004.parquet")


def small_copy(place: Path, held: Held) -> Path:
    """A table with vectors, a tar file and a folder, in one group; and a table alone."""
    shutil.rmtree(place, ignore_errors=True)
    rows = [*held.gone[:2], *held.left[:3]]
    (place / "0").mkdir(parents=True)
    numbers = [f"{number:09d}" for number in range(len(rows))]
    table = pa.table({"url": [row["URL"] for row in rows], "key": numbers})
    pq.write_table(table, place / "0.parquet")
    pq.write_table(table, place / "1.parquet")
    np.save(place / "0.npy", np.arange(len(rows), dtype=np.float32)[:, None])
    for number, row in zip(numbers, rows, strict=True):
        (place / "0" / f"{number}.jpg").write_text("picture")
        (place / "0" / f"{number}.json").write_text(json.dumps({"url": row["URL"]}))
    return place


def is_whole(copy: Path, held: Held) -> bool:
    """Whether nothing is left of erased rows; all else must be there, beside its vector."""
    urls = pq.read_table(copy / "0.parquet")["url"].to_pylist()
    vectors = np.load(copy / "0.npy")[:, 0].tolist()
    rows = [*held.gone[:2], *held.left[:3]]
    expected = {row["URL"]: float(number) for number, row in enumerate(rows)}
    assert dict(zip(urls, vectors, strict=True)).items() <= expected.items()
    assert {row["URL"] for row in held.left[:3]} <= set(urls)
    assert len(list(copy.glob("0/*"))) == 2 * len(urls)
    return len(urls) == 3


def kill_everywhere(commands, held: Held, tmp_path: Path, step: int) -> int:
    kill_at = 1
    while True:
        copy = small_copy(tmp_path / "copy", held)
        killed = commands(["follow", *held.arguments(copy)], copy, kill_at)
        if not (copy / STAGING / "COMMIT").exists():
            is_whole(copy, held)
        after = commands(["follow", *held.arguments(copy)], copy)
        assert after["status"] == 0, after
        assert is_whole(copy, held)
        assert words_left(copy, held.gone) == []
        assert not (copy / STAGING).exists()
        if killed["status"] != KILLED:
            return kill_at
        kill_at += step


def test_a_kill_at_any_change_leaves_a_copy_that_the_next_run_finishes(commands, held, tmp_path):
    assert kill_everywhere(commands, held, tmp_path, 3) > 20


@pytest.mark.soak
def test_a_kill_at_every_change(commands, held, tmp_path):
    assert kill_everywhere(commands, held, tmp_path, 1) > 20


def test_an_adopted_dataset_has_a_feed_too(held, tmp_path):
    """LAION's columns: no key, and a hash that copies have numbered anew."""
    (tmp_path / "laion").mkdir()
    urls = [f"https://a.example/{number}.jpg" for number in range(4)]
    pq.write_table(
        pa.table({"URL": urls, "TEXT": urls, "hash": [11, 12, 13, None]}),
        tmp_path / "laion" / "part.parquet",
    )
    shutil.copytree(tmp_path / "laion", tmp_path / "copy")
    assert adopt(["--dataset", str(tmp_path / "laion")]) == 0
    requests = asked(tmp_path / "r.jsonl", [{"URL": urls[1]}, {"URL": urls[3]}])
    assert erase(["--dataset", str(tmp_path / "laion"), "--requests", requests]) == 0
    # Rows without a hash share no token, by which a recipient would drop all of them.
    delta = pq.read_table(tmp_path / "laion" / "erasures" / "delta-00002.parquet")
    assert delta["hash"].null_count == 1
    pq.write_table(
        pa.table({"image_url": urls, "hash": [1, 2, 3, 4]}), tmp_path / "copy" / "part.parquet"
    )
    keys = tmp_path / "laion.erased"
    place = [f"--feed={tmp_path / 'laion'}", f"--copy={tmp_path / 'copy'}"]
    given = [f"--public-key={keys / 'feed.pub'}", f"--key={keys / 'recipients.key'}"]
    assert follow([*place, *given]) == 0
    left = pq.read_table(tmp_path / "copy" / "part.parquet")["image_url"].to_pylist()
    assert left == [urls[0], urls[2]]


def test_status_shows_the_public_key(held, capsys):
    assert erase(["status", "--dataset", str(held.root / "ds")]) == 0
    said = capsys.readouterr().out
    (key,) = re.findall(r"public key of the feed ([0-9a-f]{64})", said)
    assert key == (held.root / "ds.erased" / "feed.pub").read_text().strip()
