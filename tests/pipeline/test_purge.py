from __future__ import annotations

import os
import time

import pytest

from pairsieve.storage.lock import one_writer
from pipeline.commands.purge import main as purge


@pytest.fixture
def work(tmp_path):
    """Two results of fetch, an old and a new one, with pictures; one of score; the ledger's key."""
    for name, age_days in (
        ("fetch/aaaaaaaaaaaaaaaa", 40),
        ("fetch/bbbbbbbbbbbbbbbb", 1),
        ("score/bbbbbbbbbbbbbbbb", 1),
    ):
        folder = tmp_path / name
        (folder / "pictures").mkdir(parents=True)
        for path in (folder / "manifest.json", folder / "pictures" / "part-00000-0000.arrow"):
            path.write_text("x" * 1000)
            then = time.time() - age_days * 86400
            os.utime(path, (then, then))
    (tmp_path / "ledger.key").write_text("secret")
    return tmp_path


def left(work) -> set[str]:
    return {str(path.parent.relative_to(work)) for path in work.rglob("manifest.json")}


ALL = {"fetch/aaaaaaaaaaaaaaaa", "fetch/bbbbbbbbbbbbbbbb", "score/bbbbbbbbbbbbbbbb"}


@pytest.mark.parametrize(
    ("arguments", "expected", "last"),
    [
        ([], ALL, "0 of 3, 0.0 MB, chosen: give --older-than, --stage or --pictures"),
        (["--older-than", "30"], ALL, "1 of 3, 0.0 MB, would be removed (--yes does it)"),
        (
            ["--older-than", "30", "--yes"],
            {"fetch/bbbbbbbbbbbbbbbb", "score/bbbbbbbbbbbbbbbb"},
            "1 of 3, 0.0 MB, removed",
        ),
        (
            ["--stage", "score", "--yes"],
            {"fetch/aaaaaaaaaaaaaaaa", "fetch/bbbbbbbbbbbbbbbb"},
            "1 of 3, 0.0 MB, removed",
        ),
        (["--stage", "fetch", "--yes"], set(), "3 of 3, 0.0 MB, removed"),
        (
            ["--stage", "fetch", "--older-than", "30", "--yes"],
            {"fetch/bbbbbbbbbbbbbbbb", "score/bbbbbbbbbbbbbbbb"},
            "1 of 3, 0.0 MB, removed",
        ),
        (["--yes"], ALL, "0 of 3, 0.0 MB, chosen: give --older-than, --stage or --pictures"),
    ],
)
def test_purge(arguments, expected, last, work, capsys):
    assert purge(["--work", str(work), *arguments]) == 0
    assert left(work) == expected
    assert capsys.readouterr().out.splitlines()[-1] == last
    assert (work / "ledger.key").exists()


def test_pictures_alone(work):
    assert purge(["--work", str(work), "--pictures", "--yes"]) == 0
    assert left(work) == ALL
    assert not list(work.rglob("*.arrow"))


def test_hashes_of_earlier_datasets_go_with_extract(work):
    folder = work / "known" / "cccccccccccccccc"
    folder.mkdir(parents=True)
    (folder / "rows-000000000000.identities").write_text("x")
    assert purge(["--work", str(work), "--stage", "fetch", "--yes"]) == 0
    assert folder.exists()
    assert purge(["--work", str(work), "--stage", "extract", "--yes"]) == 0
    assert not folder.exists()


def test_nothing_to_purge(tmp_path, capsys):
    assert purge(["--work", str(tmp_path)]) == 2
    assert "give the --work of a run" in capsys.readouterr().err


def test_a_work_directory_in_use_is_left_alone(work, capsys):
    with one_writer(str(work)):
        assert purge(["--work", str(work), "--older-than", "0", "--yes"]) == 2
    assert left(work) == ALL
    assert "another run works there" in capsys.readouterr().err


def test_a_second_run_in_the_same_work_directory_stops(run_demo, tmp_path):
    with one_writer(str(tmp_path / "work")):
        ran = run_demo(folder=tmp_path)
    assert ran.status == 1
    assert "another run works there since" in ran.printed
