"""An index that was cut off, or that somebody wrote by hand, is named in one line and made anew."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("tantivy")

from pairsieve.search.index import FORMAT, BadIndex, read_index
from pipeline.commands.index import main as index
from pipeline.commands.search import main as search

WHOLE = {"dataset": "d", "version": 1, "models": {}, "shards": [], "spaces": {}, "format": FORMAT}
EFFORT = {"probes": 3, "compared": 500}
SOURCE = {"path": "p.parquet", "sha256": "ab", "rows": 1}
CONTENTS = [
    b"", b"{", b"[]", b"null", b"3", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"format": 3}', b'{"format": 2}', b"{}", b"\0" * 100,
    json.dumps({**WHOLE, "shards": 3}).encode(), json.dumps({**WHOLE, "shards": [[SOURCE]]}).encode(),
    json.dumps({**WHOLE, "shards": [[{"path": 1}, 0]]}).encode(), json.dumps({**WHOLE, "shards": [[SOURCE, "../../x"]]}).encode(),
    json.dumps({**WHOLE, "shards": [[{**SOURCE, "path": 1}, 0]]}).encode(), json.dumps({**WHOLE, "shards": [[SOURCE, -1]]}).encode(),
    json.dumps({**WHOLE, "models": 1}).encode(), json.dumps({**WHOLE, "other": 1}).encode(), json.dumps({**WHOLE, "version": "1"}).encode(),
    json.dumps({**WHOLE, "spaces": []}).encode(), json.dumps({**WHOLE, "spaces": {"m": 3}}).encode(),
    json.dumps({**WHOLE, "spaces": {"m": {"pictures": EFFORT}}}).encode(),
    json.dumps({**WHOLE, "spaces": {"m": {"pictures": EFFORT, "texts": {"probes": "3"}}}}).encode(),
]  # fmt: skip


@pytest.mark.parametrize("content", CONTENTS)
def test_what_is_no_index_is_refused(content, tmp_path):
    (tmp_path / "index.json").write_bytes(content)
    with pytest.raises(BadIndex, match="make it anew"):
        read_index(str(tmp_path))


def test_any_beginning_of_an_index_is_refused(tmp_path):
    whole = json.dumps({**WHOLE, "shards": [[SOURCE, 0]]}).encode()
    for end in range(len(whole)):
        (tmp_path / "index.json").write_bytes(whole[:end])
        with pytest.raises(BadIndex):
            read_index(str(tmp_path))
    (tmp_path / "index.json").write_bytes(whole)
    assert read_index(str(tmp_path)).shards[0][1] == 0


def test_commands_say_so_and_the_next_one_mends_it(demo_run, tmp_path, capsys):
    place = str(tmp_path / "index")
    assert index(["--dataset", str(demo_run.output), "--out", place]) == 0
    (tmp_path / "index" / "index.json").write_bytes(b'{"format": 3, "sha')
    assert search(["--dataset", str(demo_run.output), "--index", place, "star"]) == 2
    assert "is cut off or no index" in capsys.readouterr().err
    assert index(["--dataset", str(demo_run.output), "--out", place]) == 0
    assert search(["--dataset", str(demo_run.output), "--index", place, "star"]) == 0


def test_an_index_of_earlier_analysers_is_named_and_made_anew(demo_run, tmp_path, capsys):
    """It would not find what is searched for by today's."""
    place = tmp_path / "index"
    assert index(["--dataset", str(demo_run.output), "--out", str(place)]) == 0
    contents = json.loads((place / "index.json").read_text())
    (place / "index.json").write_text(json.dumps({**contents, "format": 2}))
    assert search(["--dataset", str(demo_run.output), "--index", str(place), "star"]) == 2
    assert "made by another version of pairsieve; make it anew" in capsys.readouterr().err
    assert index(["--dataset", str(demo_run.output), "--out", str(place)]) == 0
    assert search(["--dataset", str(demo_run.output), "--index", str(place), "star"]) == 0
