"""The EU's summary of training content: every figure is what DuckDB counts in the dataset."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import re
import shutil
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pairsieve.records.manifest import Manifest
from pipeline.commands.erase import main as erase
from pipeline.commands.papers import main as papers
from pipeline.dataset.eu_summary import image_band, top_number
from pipeline.dataset.period import Span, period_of
from tests.support.datasets import rows_of


def query(sql: str) -> list:
    with duckdb.connect() as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture(scope="module")
def dataset(demo_run, tmp_path_factory) -> Path:
    """The demonstration's rows with other hosts, sizes and times, and one row taken out."""
    place = tmp_path_factory.mktemp("papers") / "ds"
    shutil.copytree(demo_run.output, place)
    manifest = json.loads((place / "manifest.json").read_text())
    rng = np.random.default_rng(3)
    for listed in manifest["files"]:
        path = place / listed["path"]
        if not listed["path"].startswith("dataset/"):
            continue
        table = pq.read_table(path)
        number = table.num_rows
        domains = rng.integers(0, 35, number)
        new = {
            "URL": [
                f"https://{'img.' if n % 2 else ''}d{d}.example/{n}" for n, d in enumerate(domains)
            ],
            "size_bytes": rng.integers(1_000, 2_000_000, number).tolist(),
            "crawl_time": [f"2024-{1 + n % 9:02d}-03T00:00:00Z" for n in range(number)],
            "fetched_at": [f"2025-{2 + n % 9:02d}-28T12:00:00Z" for n in range(number)],
        }
        for name, values in new.items():
            index = table.schema.get_field_index(name)
            table = table.set_column(index, name, pa.array(values, table.schema.field(name).type))
        pq.write_table(table, path)
        content = path.read_bytes()
        listed["bytes"], listed["sha256"] = len(content), hashlib.sha256(content).hexdigest()
    (place / "manifest.json").write_text(json.dumps(manifest))
    request = place.parent / "r.jsonl"
    request.write_text(json.dumps({"key": rows_of(place)[0]["key"]}) + "\n")
    assert erase(["--dataset", str(place), "--requests", str(request)]) == 0
    return place


@pytest.fixture(scope="module")
def told(dataset) -> dict:
    """The figures, as the command gives them."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert papers(["eu-summary", "--dataset", str(dataset), "--json"]) == 0
    return json.loads(printed.getvalue())


# The registered domain of the hosts of this test is their last two labels.
SECTIONS = [
    "1.", "1.1", "1.2", "1.3", "2.", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "3.", "3.1", "3.2",
    "3.3",
]  # fmt: skip
DOMAIN = "regexp_extract(URL, '^https?://(?:[^/]*\\.)?([^./]+\\.[^./]+)/', 1)"
REASONS = """select rule, action, reason, count(*) from {ledger} where {which}
    group by rule, action, reason order by list_position({rules}, rule), action, reason"""
RESERVED = ["fetch", "rights", "opt_outs"]
UNLAWFUL = [
    "hash_lists", "children", "nudity", "medical", "dicom", "documents", "personal_data", "erasure",
]  # fmt: skip


def shards(dataset: Path) -> str:
    return f"'{dataset}/dataset/*/*.parquet'"


@pytest.mark.parametrize(
    ("figure", "sql"),
    [
        ("rows", "select count(*) from {shards}"),
        ("caption_chars", "select sum(length(TEXT)) from {shards}"),
        ("picture_bytes", "select sum(size_bytes) from {shards}"),
        ("domains", f"select count(distinct {DOMAIN}) from {{shards}}"),
        ("erased_rows", "select count(*) from '{dataset}/erasures/*.parquet'"),
        ("erasures", "select count(*) from glob('{dataset}/erasures/*.parquet')"),
    ],
)
def test_a_number(figure, sql, dataset, told):
    ((number,),) = query(sql.format(shards=shards(dataset), dataset=dataset))
    assert told[figure] == number


@pytest.mark.parametrize(("figure", "column"), [("languages", "LANGUAGE"), ("formats", "format")])
def test_rows_of_each_value(figure, column, dataset, told):
    counted = query(
        f"select coalesce({column}, ''), count(*) from {shards(dataset)} group by 1 "
        "order by 2 desc, 1"
    )
    assert list(told[figure].items()) == counted


@pytest.mark.parametrize(
    ("figure", "column"), [("crawled", "crawl_time"), ("fetched", "fetched_at")]
)
def test_periods(figure, column, dataset, told):
    assert [tuple(told[figure])] == query(
        f"select min({column}), max({column}) from {shards(dataset)}"
    )


def test_the_largest_domains(dataset, told):
    every = query(
        f"select {DOMAIN}, count(*), sum(size_bytes) from {shards(dataset)} group by 1 "
        "order by 3 desc, 2 desc, 1"
    )
    top = every[: math.ceil(len(every) / 10)]
    assert 3 <= len(top) < len(every)
    assert [tuple(each) for each in told["largest_domains"]] == top
    assert told["largest_bytes"] == sum(size for _, _, size in top)


@pytest.mark.parametrize(("figure", "rules"), [("reserved", RESERVED), ("unlawful", UNLAWFUL)])
def test_decisions(figure, rules, dataset, told):
    which = f"rule in {tuple(rules)} and rule <> 'fetch'"
    counted = query(
        REASONS.format(ledger=f"'{dataset}/ledger/*.parquet'", which=which, rules=rules)
    )
    assert [tuple(each) for each in told[figure]] == counted
    assert counted


def test_the_page_says_every_figure(dataset, told, tmp_path, capsys):
    out, domains = tmp_path / "summary.md", tmp_path / "domains.csv"
    arguments = ["eu-summary", "--dataset", str(dataset), f"--out={out}", f"--domains={domains}"]
    assert papers(arguments) == 0
    page = out.read_text()
    headings = re.findall(r"^#+ ([\d.]+) ", page, re.MULTILINE)
    assert headings == SECTIONS
    assert f"({told['rows']} links to pictures, {told['picture_bytes']} bytes as served)" in page
    assert f"{told['caption_chars']} characters" in page
    assert f"with {told['largest_bytes']} of {told['picture_bytes']} bytes" in page
    assert f"{told['erased_rows']} rows were taken out in {told['erasures']} erasures" in page
    assert "10/2025 (pictures), 09/2024 (pages)" in page
    for name, rows, size in told["largest_domains"]:
        assert f"| {name} | {rows} | {size} |" in page
    for rule, action, reason, rows in [*told["reserved"], *told["unlawful"]]:
        assert f"| `{rule}` | {action} | `{reason}` | {rows} |" in page
    read = query(f"select * from read_csv('{domains}')")
    assert [list(each) for each in read] == told["largest_domains"]
    # No other number stands in a table of the page than those that were compared.
    cells = set(re.findall(r"\| (\d+) (?=\|)", page))
    known = {str(n) for each in told["largest_domains"] for n in each[1:]}
    known |= {str(each[3]) for each in [*told["reserved"], *told["unlawful"]]}
    known |= {str(n) for name in ("languages", "formats") for n in told[name].values()}
    assert cells <= known


def test_what_a_fetch_from_the_web_says(dataset, tmp_path):
    """Crawler, behaviour and robots.txt; and sites that could not be asked whether they mind."""
    place = tmp_path / "ds"
    shutil.copytree(dataset, place)
    manifest = json.loads((place / "manifest.json").read_text())
    manifest["config"]["fetch"] |= {"source": "web", "contact": "https://example.org/bot"}
    (place / "manifest.json").write_text(json.dumps(manifest))
    path = next(place.glob("ledger/*.parquet"))
    ledger = pq.read_table(path)
    row = ledger.slice(0, 1).to_pylist()[0] | {"rule": "fetch", "action": "drop"}
    reasons = ("fetch_robots_disallowed", "fetch_robots_unreachable", "fetch_timeout")
    more = pa.Table.from_pylist([row | {"reason": r} for r in reasons], ledger.schema)
    pq.write_table(pa.concat_tables([ledger, more]), path)
    assert papers(["eu-summary", "--dataset", str(place), f"--out={tmp_path / 's.md'}"]) == 0
    page = (tmp_path / "s.md").read_text()
    assert "| crawlers | pairsieve (+https://example.org/bot) |" in page
    assert "at most 2 connections to a host and 0.5 s between its requests" in page
    assert "| period | 02/2025 to 10/2025 |" in page
    assert "| `fetch` | drop | `fetch_robots_disallowed` | 1 |" in page
    assert "| `fetch` | drop | `fetch_robots_unreachable` | 1 |" in page
    assert "fetch_timeout" not in page


@pytest.mark.parametrize(
    ("domains", "small", "number"),
    [
        (0, False, 0),
        (1, False, 1),
        (11, False, 2),
        (10_000, False, 1000),
        (100, True, 5),
        (1_000_000, True, 1000),
    ],
)
def test_how_many_domains(domains, small, number):
    assert top_number(domains, small) == number


@pytest.mark.parametrize(
    ("images", "band"),
    [
        (999_999, "Less than 1 million images"),
        (1_000_000, "1 million to 1 billion images"),
        (1_000_000_000, "More than 1 billion images"),
    ],
)
def test_bands(images, band):
    assert image_band(images) == band


def test_no_dataset(tmp_path, capsys):
    assert papers(["eu-summary", "--dataset", str(tmp_path)]) == 2
    assert "holds no manifest.json" in capsys.readouterr().err


def test_a_dataset_without_times(tmp_path):
    assert period_of(str(tmp_path), Manifest()).last_day == ""
    assert Span().joined(["", "2024"]) == Span("2024", "2024")
