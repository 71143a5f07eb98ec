from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.load_config import load_config
from pipeline.orchestrate.config_file import CONFIGS, ConfigError
from pipeline.orchestrate.estimate import days, estimate, parts_of, settings_for
from pipeline.orchestrate.estimate_text import estimate_line, estimate_text, scaled, short
from pipeline.orchestrate.plan import find_known, make_plan
from pipeline.orchestrate.rates import read_prices, read_rates
from pipeline.orchestrate.results import Results
from pipeline.orchestrate.work import Work, work_left, work_of
from tests.support.paths import DEMO

RATES, PRICES = read_rates(), read_prices()


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (2.5e9, "2.5 GB"),
        (3e15, "3.0 PB"),
        (4e18, "4,000.0 PB"),
    ],
)
def test_bytes_for_people(number, said):
    assert scaled(number) == said


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0"), (0.01234, "0.012"), (9.96, "10"), (1234.5, "1,234")]
)
def test_numbers_for_people(number, said):
    assert short(number) == said


@given(pages=st.floats(1, 1e10), times=st.integers(1, 1000), web=st.booleans(), gpu=st.booleans())
def test_twice_the_work_takes_twice_as_much(pages, times, web, gpu):
    one = Work(pages, pages * 2, 0 if web else pages * 3, web, gpu)
    many = replace(
        one,
        pages=one.pages * times,
        pairs=one.pairs * times,
        archived_files=one.archived_files * times,
    )
    for a, b in zip(estimate(one, RATES, PRICES), estimate(many, RATES, PRICES), strict=True):
        for what in ("core_h", "gpu_h"):
            assert getattr(b, what) == pytest.approx(times * getattr(a, what))
        assert b.shuffled >= a.shuffled
        assert a.stored <= b.stored <= times * a.stored * 1.001, (
            "files have a price of their own, and more rows share it"
        )


def test_an_accelerator_takes_the_work_of_cores_away():
    _, _, score, _ = estimate(Work(1e6, 1e6, gpu=True), RATES, PRICES)
    assert score.core_h == 0
    assert score.gpu_h == pytest.approx(1e6 / PRICES.gpu_pairs_per_s / 3600)


def test_rows_of_earlier_datasets_are_read_and_not_shuffled():
    alone, beside = (
        estimate(Work(1e6, 1e6, known_rows=rows), RATES, PRICES)[0] for rows in (0, 4e8)
    )
    assert beside.shuffled == alone.shuffled
    assert beside.stored - alone.stored == pytest.approx(4e8 * 16)
    more_s = 3600 * (beside.core_h - alone.core_h)
    assert more_s == pytest.approx(4e8 * RATES.core_s["known_row"])


def test_rows_of_earlier_datasets_are_counted_by_footers(tmp_path):
    for number in range(50):
        table = pa.table({"url": ["u"] * (1 + number % 2), "caption": ["c"] * (1 + number % 2)})
        pq.write_table(table, tmp_path / f"{number}.parquet")
    config = load_config(DEMO, given={"extract": {"known": [f"{tmp_path}/*.parquet"]}})
    work = work_of(config, (str(CONFIGS / "demo" / "crawl.warc.gz"),), RATES, find_known(config))
    assert 50 <= work.known_rows <= 100

    (tmp_path / "0.parquet").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match=r"0\.parquet is no parquet file"):
        work_of(config, (str(CONFIGS / "demo" / "crawl.warc.gz"),), RATES, find_known(config))


def test_no_number_of_workers_makes_politeness_shorter():
    many = replace(PRICES, cores=1_000_000)
    fetch = estimate(Work(1e9, 1e9, interval_s=1.0), RATES, many)[1]
    assert days(fetch, many) == pytest.approx(1e9 * PRICES.largest_host_share / 86400)
    assert estimate(Work(1e9, 1e9, 1e9, web=False), RATES, many)[1].least_days == 0


def test_settings_keep_what_a_worker_holds_small():
    wanted = settings_for(Work(3e9, 6e9), RATES)
    assert 6e9 / wanted["extract.buckets"] <= 200_000
    assert 6e9 * RATES.kept_share / wanted["publish.shards"] <= 1_000_000


@pytest.mark.parametrize(
    ("pairs", "hosts", "buckets", "parts"),
    [
        (1e9, 1e6, 1000, 1_000_500),
        (500, 1, 16, 1),
        (5000, 1, 16, 5.5),
        (16, 1e6, 16, 16),
        (0, 1, 1, 1),
    ],
)
def test_parts(pairs, hosts, buckets, parts):
    settings = {"extract.part_rows": 1000, "extract.buckets": buckets}
    assert parts_of(Work(pairs, pairs), settings, hosts) == pytest.approx(parts)


def test_the_text_says_what_is_assumed():
    said = estimate_text(Work(3e9, 6e9, gpu=True, interval_s=0.5), RATES, PRICES)
    for words in (
        "3,000,000,000 pages",
        "(not measured)",
        "requests a second",
        "extract.buckets",
        "USD",
        "GPU hours",
    ):
        assert words in said
    assert len(said.splitlines()) < 15


def test_what_is_counted_is_taken_rather_than_guessed(demo_run, tmp_path):
    there = make_plan(
        load_config(DEMO, given={"output": str(demo_run.output), "work": str(demo_run.work)})
    )
    assert (work_left(Results(there), RATES).pages, work_left(Results(there), RATES).pairs) == (
        106,
        193,
    )
    new = make_plan(
        load_config(DEMO, given={"output": str(tmp_path / "out"), "work": str(tmp_path / "work")})
    )
    assert work_left(Results(new), RATES) == work_of(new.config, new.inputs, RATES)
    assert "cores like those measured" in estimate_line(work_left(Results(new), RATES), RATES, 2)


def test_the_command_estimates_and_starts_nothing(run_demo, tmp_path):
    """Not even a model has to be there."""
    told = run_demo(
        "--estimate",
        "--set=score.models={demo: {architecture: local-dir:/nowhere}}",
        folder=tmp_path,
    )
    assert told.status == 0, told.printed
    assert "core hours" in told.printed
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("currency: USD\n", "Field required"),
        ("a: [", "cannot be read (ParserError)"),
        (None, "cannot be read (FileNotFoundError)"),
    ],
)
def test_prices_that_cannot_be_read(text, said, run_demo, tmp_path):
    path = tmp_path / "prices.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=r"prices\.yaml"):
        read_prices(path)
    told = run_demo("--estimate", f"--prices={path}", folder=tmp_path)
    assert told.status == 2
    assert said in told.printed


def test_links_of_others_are_not_guessed(run_demo, tmp_path):
    told = run_demo(
        "--estimate",
        "--config",
        str(CONFIGS / "clean-links.yaml"),
        "--set=fetch.contact=https://example.org/bot",
        f"--input={DEMO}",
        folder=tmp_path,
    )
    assert told.status == 2
    assert "these inputs are no archives" in told.printed
