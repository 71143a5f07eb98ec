"""A person labels the demonstration through the page; card, report and audit.json say the result."""

from __future__ import annotations

import json
import re
from urllib.parse import urlencode

import pyarrow.parquet as pq
import pytest

from pairsieve.audit.questions import QUESTIONS
from pairsieve.audit.result import BadAudit, parse_audit, percent_near, percent_up
from pipeline.commands.audit import QUESTIONS as OFFERED
from pipeline.commands.audit import main
from pipeline.commands.erase import main as erase
from pipeline.commands.run import main as run
from pipeline.commands.verify import main as verify
from tests.support.asgi import Client
from tests.support.datasets import hashes, manifest_of, rows_of
from tests.support.demo_runs import captured, copy_of

WORD = "portrait"
"""Stands in captions of the demonstration that no rule drops: it stands for what was missed."""


@pytest.fixture
def copy(demo_run, tmp_path):
    return copy_of(demo_run, tmp_path)


class Labeller:
    """Answers every row by its caption, as a person would: it sees nothing but the page."""

    def __init__(self, most: int = 10_000) -> None:
        self.most = most
        self.pages: list[str] = []
        self.pictures: list[int] = []

    def __call__(self, app, address) -> None:
        assert address.host == "127.0.0.1"
        printed = self.printed.getvalue()
        key = re.search(r"\?key=(\S+)", printed)[1]
        cookie = [("cookie", f"pairsieve_audit={key}")]
        for _ in range(self.most):
            answer = Client(app).ask("GET", "/", headers=cookie)
            assert answer.status == 200
            page = answer.body.decode()
            row = re.search(r'name="row" value="(\d+)"', page)
            if row is None:
                return
            self.pages.append(page)
            if len(self.pages) <= 3:
                shown = Client(app).ask(
                    "GET", "/picture", headers=cookie, query=f"row={row[1]}".encode()
                )
                self.pictures.append(shown.status)
            caption = re.search(r'class="caption" dir="auto">(.*)</p>', page)[1]
            body = urlencode({"row": row[1], "label": "yes" if WORD in caption else "no"}).encode()
            headers = [*cookie, ("content-length", str(len(body)))]
            assert Client(app).ask("POST", "/label", headers=headers, chunks=[body]).status == 303


def audit(copy, key_file, *more):
    given = ["--dataset", str(copy / "out"), "--work", str(copy / "work")]
    with captured() as printed:
        status = main([*given, f"--key-file={key_file}", *more])
    return status, printed.getvalue()


def label(copy, key_file, monkeypatch, labeller, *more):
    """The command, its page answered by the labeller in the place of a server and a browser."""
    monkeypatch.setattr("pairsieve.explore.serve.serve", labeller)
    given = ["--dataset", str(copy / "out"), "--work", str(copy / "work")]
    with captured() as labeller.printed:
        status = main([*given, f"--key-file={key_file}", *more])
    return status, labeller.printed.getvalue()


def test_everything_that_is_labelled_is_counted(copy, key_file, monkeypatch):
    """Every row is drawn, so what the card says must be the share in the rows themselves."""
    # The copy has another output directory: a run there publishes once more.
    place = ["--output", str(copy / "out"), "--work", str(copy / "work"), "--direct_num_workers=1"]
    common = [*place, "--log=quiet", f"--set=publish.key_file={key_file}"]
    assert run(common) == 0
    few, all_rows = Labeller(5), Labeller()
    status, printed = label(copy, key_file, monkeypatch, few)
    assert (status, len(few.pages)) == (0, 5)
    assert "5 of 193 rows are labelled" in printed
    label(copy, key_file, monkeypatch, all_rows)
    assert len(all_rows.pages) == 188
    assert 200 in few.pictures
    # Blind: neither decisions nor evidence, and no address.
    text = "".join(few.pages + all_rows.pages)
    assert not re.search(r"similarity|tagged|dropped|medical_|http", text)
    # What was cut out of published captions is cut out of the others too.
    assert "@" not in text

    before = hashes(copy / "out")
    status, printed = audit(copy, key_file, "--report")
    published = [row["TEXT"] for row in rows_of(copy / "out")]
    missed = sum(WORD in text for text in published)
    assert missed
    (entry,) = json.loads((copy / "out" / "audit.json").read_text())["audits"]
    assert entry["missed_at_most"] == pytest.approx(missed / len(published))
    assert (entry["rows"], entry["labelled"]) == (len(published), 193)
    sentence = f"Patients that we missed: at most {percent_up(missed / len(published))} of"
    assert status == 0
    for place in (
        printed,
        *((copy / "out" / name).read_text() for name in ("README.md", "report.html")),
    ):
        assert sentence in place
    # Rows and ledger are as they were, and whoever checks the dataset finds it whole.
    after = hashes(copy / "out")
    changed = {path for path in after if after[path] != before.get(path)}
    assert changed == {"audit.json", "README.md", "report.html", "manifest.json"}
    assert "audit.json" in [listed["path"] for listed in manifest_of(copy / "out")["files"]]
    assert verify(["--dataset", str(copy / "out")]) == 0
    # Nobody's caption, address or key.
    written = (copy / "out" / "audit.json").read_text()
    keys = [row["key"] for row in rows_of(copy / "out")]
    assert not any(value in written for value in (*published, *keys))
    # The result of the same labels is the same, byte for byte.
    audit(copy, key_file, "--report")
    assert hashes(copy / "out") == after

    # A run with nothing to do keeps it; one with another rule publishes another dataset.
    assert run(common) == 0
    assert hashes(copy / "out") == after
    assert run([*common, "--set=filters.rules.similarity.thresholds.en=0.75"]) == 0
    assert not (copy / "out" / "audit.json").exists()
    assert "What was missed" not in (copy / "out" / "README.md").read_text()
    status, printed = audit(copy, key_file, "--report")
    assert status == 2
    assert "the dataset has changed since" in printed


def test_nobody_sees_who_was_taken_out(copy, key_file, monkeypatch):
    """A row that the medical rule dropped; the request by its domain comes after the run."""
    request = copy / "requests.jsonl"
    request.write_text('{"domain": "artist.example"}\n{"domain": "clinic.example"}\n')
    before, after = Labeller(), Labeller()
    label(copy, key_file, monkeypatch, before)
    given = ["--dataset", str(copy / "out"), "--requests", str(request)]
    assert erase(given) == 0
    label(copy, key_file, monkeypatch, after, "--seed=2")
    gone = sum("asked for this row to be taken out" in page for page in after.pages)
    assert gone >= 5  # all of clinic.example
    assert not any("asked for this row" in page for page in before.pages)


def test_without_labels_the_card_says_so(copy, key_file):
    status, printed = audit(copy, key_file, "--report", "--question=children", "--labels=50")
    assert status == 1
    assert "Children that we missed: not known yet. There are not enough labels" in printed
    assert "not known yet" in (copy / "out" / "README.md").read_text()
    (entry,) = json.loads((copy / "out" / "audit.json").read_text())["audits"]
    assert entry["missed_at_most"] is None
    audit(copy, key_file, "--report", "--labels=50")
    entries = json.loads((copy / "out" / "audit.json").read_text())["audits"]
    assert [entry["question"] for entry in entries] == ["children", "patients"]


def test_a_sample_is_drawn_of_every_stratum(copy):
    from pipeline.dataset.audit import draw

    sample = draw(str(copy / "out"), "patients", 1, 60)
    assert len(sample.order) == len(set(sample.order)) == 60
    assert draw(str(copy / "out"), "patients", 1, 60).order == sample.order
    assert draw(str(copy / "out"), "patients", 2, 60).order != sample.order
    assert sum(sample.published_rows.values()) == len(rows_of(copy / "out"))
    ledger = [
        row
        for path in (copy / "out" / "ledger").glob("*.parquet")
        for row in pq.read_table(path).to_pylist()
    ]
    dropped = {row["id"] for row in ledger if row["action"] in ("drop", "quarantine")}
    assert sum(sample.kept_out_rows.values()) == len(dropped)
    medical = {
        row["id"] for row in ledger if row["action"] == "drop" and "medical" in row["reason"]
    }
    assert sample.kept_out_rows["dropped for it"] == len(medical)
    tagged = [row for row in rows_of(copy / "out") if any("medical" in tag for tag in row["tags"])]
    assert sample.published_rows["tagged for it"] == len(tagged)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--labels=0"], "draw at least one row"),
        (["--seed=-1"], "give a whole number"),
        (["--labels-file={out}/labels.jsonl"], "labels would lie in the dataset"),
        (["--pictures=web", "--labels=20"], "the run had no fetch.contact"),
        (["--key-file={out}/none.key", "--labels=20"], "holds no secret"),
        (["--work={out}", "--labels=20", "--labels-file={out}.jsonl"], "holds 0 of the 20 rows"),
    ],
)
def test_what_cannot_start_says_what_to_do(copy, key_file, more, words):
    status, printed = audit(copy, key_file, *(m.format(out=copy / "out") for m in more))
    assert (status, words in printed) == (2, True), printed


def test_the_questions_of_the_command_are_those_there_are():
    assert list(QUESTIONS) == list(OFFERED)


@pytest.mark.parametrize(
    ("share", "up", "near"),
    [
        (0, "0 %", "0 %"), (0.001, "0.10 %", "0.10 %"), (0.003117, "0.32 %", "0.31 %"), (1, "100 %", "100 %"),
        (0.0300001, "3.1 %", "3.0 %"), (0.999, "100 %", "100 %"), (0.5, "50 %", "50 %"), (1e-6, "0.00010 %", "0.00010 %"),
    ],
)  # fmt: skip
def test_a_bound_is_rounded_up(share, up, near):
    assert (percent_up(share), percent_near(share)) == (up, near)


@pytest.mark.parametrize(
    "change",
    [
        lambda e: e.pop("published"), lambda e: e.update(question="x"), lambda e: e.update(seed="x"),
        lambda e: e["published"][0].update(yes=-1), lambda e: e["published"][0].update(labelled=10**9),
    ],
)  # fmt: skip
def test_a_damaged_result_is_refused(copy, key_file, change):
    audit(copy, key_file, "--report", "--labels=20")
    document = json.loads((copy / "out" / "audit.json").read_text())
    assert parse_audit(json.dumps(document))
    change(document["audits"][0])
    with pytest.raises(BadAudit):
        parse_audit(json.dumps(document))
