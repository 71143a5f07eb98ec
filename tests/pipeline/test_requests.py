"""The operator's side of the search page."""

from __future__ import annotations

import json
import shutil

import pytest

from erasure.queue import ask, look_up
from pipeline.requests import main as requests
from tests.pipeline.test_command import rows_of


@pytest.fixture
def dataset(demo_run, tmp_path):
    shutil.copytree(demo_run.output, tmp_path / "out")
    return tmp_path / "out"


def test_list_approve_apply(dataset, capsys):
    queue, row = f"{dataset}.requests", rows_of(dataset)[0]
    receipt = ask(queue, [{"image_url": row["URL"]}], "anna@mail.example")
    other = ask(queue, [{"domain": "elsewhere.example"}])
    assert requests(["list", "--dataset", str(dataset)]) == 0
    printed = capsys.readouterr().out
    assert receipt in printed
    assert "anna@" not in printed
    assert requests(["list", "--contacts", "--dataset", str(dataset)]) == 0
    assert "answer to: anna@mail.example" in capsys.readouterr().out
    assert requests(["approve", receipt, "--dataset", str(dataset)]) == 0
    assert requests(["refuse", other, "--reason", "not in this dataset", "--dataset", str(dataset)]) == 0
    capsys.readouterr()
    assert requests(["list", "--jsonl", "--dataset", str(dataset)]) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [{"image_url": row["URL"], "receipt": receipt}]
    assert requests(["apply", "--dataset", str(dataset)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("taken out; version 2")
    assert (look_up(queue, receipt).state, look_up(queue, receipt).version) == ("applied", 2)
    assert (look_up(queue, other).state, look_up(queue, other).reason) == ("refused", "not in this dataset")
    assert row["URL"] not in {r["URL"] for r in rows_of(dataset)}
    assert requests(["apply", "--dataset", str(dataset)]) == 0
    assert "nothing was approved" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["approve"], "name the receipts"), (["refuse", "x"], "--reason"), (["approve", "nosuch"], "no request has this receipt")],
)
def test_what_cannot_be_done(dataset, capsys, arguments, said):
    assert requests([*arguments, "--dataset", str(dataset)]) == 2
    assert said in capsys.readouterr().err
