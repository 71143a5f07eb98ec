"""The operator's side of the search page."""

from __future__ import annotations

import json
import shutil

import pytest

from pairsieve.erasure.queue import ask, contact_of, decide, look_up
from pipeline.commands.requests import main as requests
from tests.support.datasets import rows_of


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
    assert (
        requests(["refuse", other, "--reason", "not in this dataset", "--dataset", str(dataset)])
        == 0
    )
    capsys.readouterr()
    assert requests(["list", "--jsonl", "--dataset", str(dataset)]) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"image_url": row["URL"], "receipt": receipt}
    ]
    assert requests(["apply", "--dataset", str(dataset)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("taken out; version 2")
    assert (look_up(queue, receipt).state, look_up(queue, receipt).version) == ("applied", 2)
    assert (look_up(queue, other).state, look_up(queue, other).reason) == (
        "refused",
        "not in this dataset",
    )
    assert row["URL"] not in {r["URL"] for r in rows_of(dataset)}
    assert requests(["apply", "--dataset", str(dataset)]) == 0
    assert "nothing was approved" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["approve"], "name the receipts"),
        (["refuse", "x"], "--reason"),
        (["approve", "nosuch"], "no request has this receipt"),
    ],
)
def test_what_cannot_be_done(dataset, capsys, arguments, said):
    assert requests([*arguments, "--dataset", str(dataset)]) == 2
    assert said in capsys.readouterr().err


ESC = "\x1b[2J\x1b]0;title\x07"
WRITTEN = f"a.example/{ESC}\n0000  approved\r\u202egpj\u2028\x9b31m\x7f\u200b"


def test_what_strangers_wrote_is_shown_on_its_line(dataset, capsys):
    queue = f"{dataset}.requests"
    receipt = ask(queue, [{"prefix": WRITTEN}], f"anna{ESC}\n@mail.example")
    decide(queue, receipt, "approved", reason=f"because{ESC}\nof")
    assert requests(["list", "--contacts", "--dataset", str(dataset)]) == 0
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) == 5
    assert set("\x1b\x07\r\u202e\u2028\x9b\x7f\u200b") & set(printed) == set()
    assert "gpj" in printed
    assert requests(["list", "--jsonl", "--dataset", str(dataset)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["prefix"] == WRITTEN
    assert "\x1b" not in line


def test_a_damaged_request_is_named_and_the_others_are_applied(dataset, capsys):
    queue, row = f"{dataset}.requests", rows_of(dataset)[0]
    receipt, broken = (
        ask(queue, [{"image_url": row["URL"]}]),
        ask(queue, [{"domain": "elsewhere.example"}]),
    )
    path = dataset.parent / f"{dataset.name}.requests" / "requests" / f"{broken}.json"
    path.write_text(path.read_text()[:-20])
    for arguments in (
        ["list"],
        ["list", "--jsonl"],
        ["list", "--all", "--rows"],
        ["approve", receipt],
        ["apply"],
    ):
        assert requests([*arguments, "--dataset", str(dataset)]) == 0
        said = capsys.readouterr()
        assert (broken in said.err) == (arguments[0] != "approve")
        assert "elsewhere" not in said.err + said.out
    assert look_up(queue, receipt).state == "applied"
    assert requests(["approve", broken, "--dataset", str(dataset)]) == 2
    assert "restore it" in capsys.readouterr().err


def test_contacts_are_shown_with_the_answer_and_removed(dataset, capsys):
    queue, row = f"{dataset}.requests", rows_of(dataset)[0]
    receipt, other = (
        ask(queue, [{"image_url": row["URL"]}], "anna@mail.example"),
        ask(queue, [{"domain": "e.example"}], "berta@mail.example"),
    )
    assert (
        requests(["refuse", other, "--reason", "no", "--contacts", "--dataset", str(dataset)]) == 0
    )
    assert "answer to: berta@mail.example" in capsys.readouterr().out
    assert requests(["approve", receipt, "--apply", "--contacts", "--dataset", str(dataset)]) == 0
    assert "answer to: anna@mail.example" in capsys.readouterr().out
    assert (contact_of(queue, receipt), contact_of(queue, other)) == ("", "")


def test_many_small_requests_are_counted_together(dataset, capsys):
    """Each takes out few rows; together they would take out the dataset."""
    queue = f"{dataset}.requests"
    urls = sorted({row["URL"] for row in rows_of(dataset)})
    first, second = (ask(queue, [{"image_url": url}]) for url in urls[:2])
    most = sum(row["URL"] == urls[0] for row in rows_of(dataset))
    command = ["--dataset", str(dataset), "--most-rows", str(most)]
    assert requests(["approve", first, *command]) == 0
    assert requests(["approve", second, *command]) == 2
    assert "with what was approved before and is not applied" in capsys.readouterr().err
    assert look_up(queue, second).state == "received"
    assert requests(["apply", "--dataset", str(dataset)]) == 0
    most = sum(row["URL"] == urls[1] for row in rows_of(dataset))
    assert requests(["approve", second, *command[:-1], str(most)]) == 0


def test_approval_says_how_many_rows_it_takes(dataset, capsys):
    queue, rows = f"{dataset}.requests", rows_of(dataset)
    receipt = ask(queue, [{"image_url": row["URL"]} for row in rows[:3]])
    other = ask(queue, [{"image_url": row["URL"]} for row in rows[2:4]])
    assert requests(["list", "--rows", "--dataset", str(dataset)]) == 0
    listed = capsys.readouterr().out
    one, two = (
        sum(row["URL"] in {r["URL"] for r in chosen} for row in rows)
        for chosen in (rows[:3], rows[2:4])
    )
    assert f"takes out {one} row(s) of " in listed
    both = sum(row["URL"] in {r["URL"] for r in rows[:4]} for row in rows)
    command = ["approve", receipt, other, "--dataset", str(dataset)]
    assert requests([*command, "--most-rows", str(both - 1)]) == 2
    said = capsys.readouterr()
    assert f"{receipt} takes out {one} row(s) of" in said.out
    assert f"{other} takes out {two} row(s) of" in said.out
    assert f"--most-rows {both}" in said.err
    assert {look_up(queue, name).state for name in (receipt, other)} == {"received"}
    assert requests([*command, "--most-rows", str(both)]) == 0
    assert {look_up(queue, name).state for name in (receipt, other)} == {"approved"}
    assert (
        requests(["approve", receipt, "--most-rows", "0", "--yes", "--dataset", str(dataset)]) == 0
    )
