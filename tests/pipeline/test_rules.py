from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from filters.registry import DETECTORS, RULES
from pairsieve.records.pair import key_of
from pipeline.commands.rules import main
from tests.support.datasets import manifest_of, rows_of
from tests.support.paths import REPOSITORY


@pytest.fixture(scope="module")
def demo(run_demo):
    return run_demo()


def test_list_names_everything(capsys):
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    for kind in (*DETECTORS.values(), *RULES.values()):
        assert f"\n{kind.name}  version {kind.version}, built in" in printed
    assert "settings  thresholds = must be set" in printed


def test_list_as_json(capsys):
    assert main(["list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {entry["name"] for entry in found["detectors"]} == set(DETECTORS)
    similarity = next(entry for entry in found["rules"] if entry["name"] == "similarity")
    assert similarity["actions"] == ["drop"]
    assert all(entry["what"] for entries in found.values() for entry in entries)


def test_rules_do_only_what_they_say(demo, capsys):
    assert main(["audit", "--dataset", str(demo.output), "--json"]) == 0
    for row in json.loads(capsys.readouterr().out):
        if row["rule"] in RULES:
            assert row["action"] in RULES[row["rule"]].actions


def test_audit_counts_every_ledger_entry(demo, capsys):
    assert main(["audit", "--dataset", str(demo.output)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("stage")
    assert "similarity_low" in printed
    assert main(["audit", "--dataset", str(demo.output), "--json"]) == 0
    entries = sum(
        f["rows"] for f in manifest_of(demo.output)["files"] if f["path"].startswith("ledger/")
    )
    assert sum(row["count_all"] for row in json.loads(capsys.readouterr().out)) == entries


def test_explain_a_published_row(demo, key_file, capsys):
    row = next(row for row in rows_of(demo.output) if "personal_data_email" in row["tags"])
    named = ["explain", "--dataset", str(demo.output), "--key", row["key"]]
    assert main(named) == 0
    assert "give --key-file" in capsys.readouterr().out
    assert main([*named, "--key-file", str(key_file)]) == 0
    assert "said redact: personal_data_email" in capsys.readouterr().out
    assert main([*named, "--work", str(demo.work)]) == 0
    assert "medical_picture_score" in capsys.readouterr().out
    other = next(row for row in rows_of(demo.output) if not row["tags"])
    assert main(["explain", "--dataset", str(demo.output), "--key", other["key"]]) == 0
    assert "give --key-file" in capsys.readouterr().out
    assert (
        main(
            [
                "explain",
                "--dataset",
                str(demo.output),
                "--key",
                other["key"],
                "--key-file",
                str(key_file),
            ]
        )
        == 0
    )
    assert "decisions\n    none" in capsys.readouterr().out


def test_explain_what_was_dropped(demo, key_file, capsys):
    url, caption = dropped_pair(demo)
    given = ["--url", url, "--caption", caption, "--key-file", str(key_file)]
    assert main(["explain", "--dataset", str(demo.output), *given]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("not published\ndecisions\n")
    assert "said drop: " in printed
    assert (
        main(
            [
                "explain",
                "--dataset",
                str(demo.output),
                "--key",
                key_of("https://a.example/x", "nothing").hex(),
            ]
        )
        == 1
    )


def dropped_pair(demo):
    import pyarrow.parquet as pq

    kept = {row["URL"] for row in rows_of(demo.output)}
    (folder,) = (demo.work / "extract").iterdir()
    pairs = [
        pair
        for path in sorted(folder.glob("part-*.parquet"))
        for pair in pq.read_table(path).to_pylist()
    ]
    dropped = next(pair for pair in pairs if pair["url"] not in kept)
    return dropped["url"], dropped["caption"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["audit", "--dataset", "{empty}"], "holds no manifest.json"),
        (["explain", "--dataset", "{empty}", "--key", "00"], "holds no manifest.json"),
        (["explain", "--dataset", "{demo}", "--key", "xyz"], "is no key"),
        (["explain", "--dataset", "{demo}"], "name the row"),
        (
            ["explain", "--dataset", "{demo}", "--key", "00", "--key-file", "{empty}/none"],
            "holds no secret",
        ),
    ],
)
def test_errors_name_the_remedy(arguments, message, demo, tmp_path, capsys):
    assert main([a.format(empty=tmp_path, demo=demo.output) for a in arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_package_of_a_stranger(run_demo, tmp_path):
    source, site = tmp_path / "source", tmp_path / "site"
    shutil.copytree(REPOSITORY / "docs" / "example_plugin", source)
    installed = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target", site, source],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert installed.returncode == 0, installed.stderr
    environment = {**os.environ, "PYTHONPATH": str(site)}
    listed = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "rules", "list"],
        capture_output=True,
        text=True,
        env=environment,
        cwd=REPOSITORY,
        check=True,
    )
    assert "watermark  version 1, pairsieve-watermarks" in listed.stdout
    command = [
        sys.executable, "-m", "pipeline.run", "--output", tmp_path / "out", "--work", tmp_path / "work", "--direct_num_workers=1",
        "--set", "filters.detectors.watermark_words={words: [red]}", "--set",
        "filters.rules.watermark={most: 0}",
    ]  # fmt: skip
    ran = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=REPOSITORY, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert (
        manifest_of(tmp_path / "out")["counts"]["publish"]["sample"]["dropped"]["watermark_words"]
        > 3
    )
    assert not any("red" in row["TEXT"].lower() for row in rows_of(tmp_path / "out"))
