from __future__ import annotations

import re
import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from pairsieve.records.aggregates import Aggregates, Largest
from pairsieve.records.manifest import Manifest
from pairsieve.storage.job_end import AGGREGATES_FILE
from pipeline.commands.report import main as report
from pipeline.dataset import pages
from pipeline.dataset.facts import BINS, Facts, gather
from pipeline.dataset.manifest import read_manifest
from pipeline.dataset.report_page import Report, bars, render
from tests.support.charts import draw_every_chart
from tests.support.datasets import manifest_of, rows_of


def test_every_run_leaves_a_report(demo_run):
    page = (demo_run.output / "report.html").read_text()
    manifest = manifest_of(demo_run.output)
    assert page.startswith("<!doctype html>")
    assert f"<b>{len(rows_of(demo_run.output)):,}</b>" in page
    assert "Demonstration only" in page
    for reason in manifest["counts"]["publish"]["sample"]["dropped"]:
        assert reason in page
    assert page.count("<svg") >= 4


def test_a_run_reads_no_row_again(demo_run, tmp_path, monkeypatch):
    """Card, metadata and report of the job's numbers are those of every row and decision."""
    draw_every_chart(monkeypatch)
    counted = gather(str(demo_run.output)).aggregates
    (result,) = (demo_run.work / "publish").iterdir()
    assert (result / AGGREGATES_FILE).read_text() == counted.text()

    def refuse(*_: object) -> None:
        raise AssertionError("the files of the dataset were read")

    monkeypatch.setattr(pages, "gather", refuse)
    pages.write_pages(str(tmp_path), read_manifest(str(demo_run.output)), counted)
    for name in pages.PAGES:
        assert (tmp_path / name).read_bytes() == (demo_run.output / name).read_bytes()


def test_bars_of_a_histogram_hold_every_value(demo_run):
    facts = gather(str(demo_run.output))
    rows = rows_of(demo_run.output)
    for column in ("similarity", "WIDTH", "size_bytes"):
        histogram = facts.histogram(column)
        assert len(histogram.kept) == len(histogram.edges) - 1 <= BINS
        assert histogram.dropped.sum() == 0
        values = np.array([row[column] for row in rows], float)
        numbers, _ = np.histogram(values, histogram.edges)
        assert numbers.tolist() == histogram.kept.tolist()
        assert histogram.kept.sum() == len(rows)
        assert histogram.kept[0]
        assert histogram.kept[-1]


@pytest.mark.parametrize(
    ("kept", "dropped", "edges", "kept_bars", "dropped_bars"),
    [
        ({5: 3}, {}, [-0.995, -0.994], [3], [0]),
        ({0: 1, 2: 1}, {1: 4}, [-1, -0.999, -0.998, -0.997], [1, 0, 1], [0, 4, 0]),
        # 81 bins in bars of 3
        ({1999: 1}, {1919: 2}, np.arange(0.919, 1.001, 0.003), [0] * 26 + [1], [2] + [0] * 26),
        # the last bar is narrower: 41 bins in bars of 2
        ({1999: 1, 1959: 1}, {}, [*np.arange(0.959, 1, 0.002), 1], [1] + [0] * 19 + [1], [0] * 21),
    ],
)
def test_histogram(kept, dropped, edges, kept_bars, dropped_bars):
    counted = Aggregates(
        measured={"similarity": Counter(kept)}, dropped={"similarity_low": Counter(dropped)}
    )
    histogram = Facts(Manifest(), counted).histogram("similarity", "similarity_low")
    assert histogram.edges == pytest.approx(np.array(edges))
    assert (histogram.kept.tolist(), histogram.dropped.tolist()) == (kept_bars, dropped_bars)


def test_no_histogram_of_no_values():
    assert Facts(Manifest()).histogram("similarity") is None


def test_a_report_needs_no_network_and_runs_nothing(demo_run):
    page = (demo_run.output / "report.html").read_text()
    assert "<script" not in page
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!#|data:)""", page)
    assert "default-src 'none'" in page


def test_a_report_holds_no_caption_and_no_url(demo_run):
    page = (demo_run.output / "report.html").read_text()
    for row in rows_of(demo_run.output):
        assert row["TEXT"] not in page
        assert row["URL"] not in page


def test_the_same_dataset_gives_the_same_page(demo_run, tmp_path, capsys, monkeypatch):
    draw_every_chart(monkeypatch)
    assert report(["--dataset", str(demo_run.output), "--out", str(tmp_path / "again.html")]) == 0
    assert (tmp_path / "again.html").read_bytes() == (demo_run.output / "report.html").read_bytes()
    assert capsys.readouterr().out == f"{tmp_path / 'again.html'}\n"


def test_two_runs_side_by_side(demo_run, run_demo, tmp_path):
    (tmp_path / "other").mkdir()
    other = run_demo(
        "--set", "filters.rules.similarity.thresholds.en=0.9", folder=tmp_path / "other"
    )
    assert (
        report(
            [
                "--compare",
                str(demo_run.output),
                str(other.output),
                "--out",
                str(tmp_path / "c.html"),
            ]
        )
        == 0
    )
    page = (tmp_path / "c.html").read_text()
    assert "similarity_low" in page
    assert f"<b>{len(rows_of(other.output)) - len(rows_of(demo_run.output)):+,}</b>" in page


def test_no_dataset(tmp_path, capsys):
    assert report(["--dataset", str(tmp_path)]) == 2
    assert "holds no manifest.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", '"><img src=x onerror=1>', "\u202egpj.exe"]
)
def test_whatever_a_report_tells_is_text(hostile, demo_run, tmp_path):
    facts = gather(str(demo_run.output))
    domains = Largest.of({hostile: 9999})
    facts = replace(facts, aggregates=replace(facts.aggregates, domains=domains))
    page = Report(facts).page()
    assert "<script>" not in page
    assert "<img" not in page
    assert "&lt;" in page or "\u202e" in hostile


def test_a_dataset_without_rows(demo_run, tmp_path):
    shutil.copytree(demo_run.output, tmp_path / "out")
    facts = Facts(replace(read_manifest(str(tmp_path / "out")), files=()))
    assert "<b>0</b>" in Report(facts).page()
    assert "<h1>t</h1>" in render("t", "s", [], [], [])


def test_bars():
    found = bars({"a": 10, "b": 5, "": 1, "c": 1}, max_bars=2)
    assert [(bar.name, bar.number, bar.percent) for bar in found] == [
        ("a", "10", 100.0),
        ("b", "5", 50.0),
        ("2 others", "2", 20.0),
    ]
    assert bars({}) == ()
    assert bars({"": 1})[0].name == "(not said)"


def test_how_fast_it_went_is_told_in_the_work_directory_alone(demo_run):
    assert "How fast it went" in (demo_run.work / "report.html").read_text()
    assert "How fast it went" not in (demo_run.output / "report.html").read_text()
