"""The whole flow with pictures from a web server on loopback: what is asked for, how often, and
what is kept.
"""

from __future__ import annotations

import io
from random import Random

import pyarrow.parquet as pq
import pytest

from demo.pictures import picture
from tests.support.commands import record_jobs
from tests.support.datasets import counts_of
from tests.support.peers import run_peer
from tests.support.site import SITE_FILES
from tests.support.web_crawl import SCENES


def test_each_url_is_asked_for_once_and_never_again(run_web, site):
    first = run_web()
    assert first.status == 0
    assert site.asked_beside_files == {"/star.png": 1, "/car.png": 1, "/gone.png": 1}, (
        "the reserved fish is not asked for"
    )
    assert {path: site.asked[path] for path in SITE_FILES} == dict.fromkeys(SITE_FILES, 1)
    assert counts_of(first.output)["fetch"]["pair"]["dropped"] == {
        "not_requested": 2,
        "http_error": 1,
    }
    rows = [
        row
        for path in first.output.glob("dataset/*/*.parquet")
        for row in pq.read_table(path).to_pylist()
    ]
    assert sorted(row["URL"].rpartition("/")[2] for row in rows) == ["car.png", "star.png"]
    assert not list(first.work.rglob("*.arrow")), (
        "picture bytes are deleted when scoring is complete"
    )
    run_web("filters.rules.similarity.thresholds.en=0.9")
    assert sum(site.asked_beside_files.values()) == 3, "a changed rule asks for nothing"


def test_a_lower_threshold_asks_again_only_for_what_was_not_looked_at(run_web, site):
    """The words of another page for the star are too far from it, so detectors did not look."""
    run_web()
    site.asked.clear()
    run_web("filters.rules.similarity.thresholds.en=0.2")
    assert site.asked_beside_files == {"/star.png": 1}


def test_kept_pictures_are_scored_again_without_a_request(run_web, site):
    first = run_web("fetch.keep_images=always")
    assert list(first.work.rglob("*.arrow"))
    site.asked.clear()
    again = run_web("fetch.keep_images=always", "score.keep_embeddings=true")
    assert again.status == 0
    assert not site.asked
    (scores,) = {
        pq.read_table(path)["embedding"].type for path in again.work.rglob("score/*/part-*.parquet")
    } - {None}
    assert str(scores) == "list<element: halffloat>"


def test_deleted_pictures_are_fetched_again_and_the_run_says_so(run_web, site, caplog):
    run_web()
    site.asked.clear()
    again = run_web("score.batch_size=3")
    assert again.status == 0
    assert site.asked["/star.png"] == 1
    assert "score needs pictures that were deleted: fetching them again" in caplog.text


def test_loosening_an_opt_out_asks_for_what_it_kept_back(run_web, site):
    run_web()
    site.asked.clear()
    run_web("filters.rules.rights.profile=record")
    assert site.asked["/fish.png"] == 1


def test_a_crawl_is_read_over_http_by_its_listing(run_demo, site, crawl, tmp_path):
    site.contents["/crawl/a.warc.gz"] = crawl.read_bytes()
    (tmp_path / "warc.paths").write_text("crawl/a.warc.gz\ngone.warc.gz\n")
    ran = run_demo(
        "--set",
        f"input={{listings: [{tmp_path}/warc.paths], base: '{site.origin}/', max_unreadable: 0.5}}",
        folder=tmp_path,
    )
    assert ran.status == 0, ran.printed
    extracted = counts_of(ran.output)["extract"]
    assert extracted["page"]["kept"] == 6
    assert extracted["file"] == {
        "entered": 2,
        "kept": 1,
        "dropped": {},
        "quarantined": {"unreadable_FileNotFoundError": 1},
    }


def test_robots_txt_is_read_once_a_day_and_not_once_a_run(run_web, site):
    site.robots = (200, "User-agent: *\nDisallow: /car.png")
    run_web()
    run_web("fetch.max_bytes=9000000")
    assert site.asked["/robots.txt"] == 1
    assert site.asked["/star.png"] == 2, "another limit, so another fetch"
    assert site.asked["/car.png"] == 0
    run_web("fetch.max_bytes=8000000", "fetch.robots_max_age_h=0")
    assert site.asked["/robots.txt"] == 2


def test_a_part_for_each_pair_changes_nothing(run_web, site, tmp_path):
    run = run_web("extract.part_rows=1")
    assert counts_of(run.output)["fetch"]["pair"]["kept"] == 3
    assert site.asked_beside_files == {"/star.png": 1, "/car.png": 1, "/gone.png": 1}


def rows_of(run) -> dict[str, dict]:
    found = [
        row
        for path in run.output.glob("dataset/*/*.parquet")
        for row in pq.read_table(path).to_pylist()
    ]
    return {row["URL"].rpartition("/")[2]: row for row in found}


@pytest.mark.parametrize("keep", ["until_scored", "always"])
def test_what_could_not_be_had_is_asked_for_again_when_told(run_web, site, keep):
    site.first["/star.png"] = [(500, {})]
    setting = f"fetch.keep_images={keep}"
    before = run_web(setting)
    assert sorted(rows_of(before)) == ["car.png"]
    car = rows_of(before)["car.png"]
    run_web(setting)
    assert site.asked["/star.png"] == 1, "not without being told"
    after = run_web("--retry-failed", setting)
    assert sorted(rows_of(after)) == ["car.png", "star.png"]
    assert rows_of(after)["car.png"] == car
    assert site.asked_beside_files == {"/star.png": 2, "/car.png": 1, "/gone.png": 1}, (
        "a 404 is final"
    )
    assert counts_of(after.output)["fetch"]["pair"]["kept"] == 3
    run_web("--retry-failed", setting)
    assert site.asked_beside_files.total() == 4, "nothing is left to ask for again"
    if keep == "always":
        again = run_web(setting, "score.keep_embeddings=true")
        assert sorted(rows_of(again)) == ["car.png", "star.png"], "the pictures of both are there"
        assert site.asked_beside_files.total() == 4


def looked_at(run) -> dict[str, bool]:
    """Of every picture whether the newest score of a pair of it says that detectors saw it."""
    folder = max(
        run.work.glob("score/*"), key=lambda path: (path / "manifest.json").stat().st_mtime_ns
    )
    (pairs,) = run.work.glob("extract/*")
    tables = [
        (pq.read_table(pairs / path.name), pq.read_table(path))
        for path in sorted(folder.glob("part-*.parquet"))
    ]
    rows = [
        row
        for pair, score in tables
        for row in zip(pair["url"].to_pylist(), score["looked_at"].to_pylist(), strict=True)
    ]
    names = {url.rpartition("/")[2] for url, _ in rows if "star" in url or "car" in url}
    return {name: any(seen for url, seen in rows if url.endswith(name)) for name in names}


def test_a_lower_threshold_has_those_looked_at_that_were_not(run_web, site, monkeypatch):
    """Nothing else is asked for, and nothing is scored anew that need not be."""
    star = "filters.rules.similarity.thresholds"
    first = run_web(f"{star}={{en: 0.999, multi: 0.999, nolang: 0.999}}", "score.detect_margin=0")
    assert first.status == 0
    assert looked_at(first) == {"star.png": False, "car.png": False}
    assert rows_of(first) == {}
    asked = dict(site.asked)
    lower = run_web(f"{star}={{en: 0.5, multi: 0.5, nolang: 0.5}}", "score.detect_margin=0.1")
    assert sorted(rows_of(lower)) == ["car.png", "star.png"]
    assert looked_at(lower) == {"star.png": True, "car.png": True}
    assert site.asked == {**asked, "/star.png": 2, "/car.png": 2}, (
        "once more for the pictures, which were deleted"
    )
    jobs = record_jobs(monkeypatch)
    for threshold in (0.45, 0.6, 0.5):
        assert (
            run_web(
                f"{star}={{en: {threshold}, multi: {threshold}, nolang: {threshold}}}",
                "score.detect_margin=0.1",
            ).status
            == 0
        )
    assert {job.rpartition("/")[2] for job in jobs} == {"publish"}, (
        "within the margin, and upwards, nothing has to be looked at"
    )
    assert site.asked.total() == sum(asked.values()) + 2


def test_retrying_is_for_what_the_config_calls_transient(run_web, site):
    site.first["/star.png"] = [(500, {})]
    run_web("fetch.transient=[timeout, http_404]")
    site.contents["/gone.png"] = site.contents["/car.png"]
    run_web("--retry-failed", "fetch.transient=[timeout, http_404]")
    assert site.asked["/star.png"] == 1
    assert site.asked["/gone.png"] == 2


def test_a_run_stops_before_its_store_is_too_large_and_goes_on_with_more(run_web, site):
    stopped = run_web("fetch.max_store_gb=0.000001")
    assert stopped.status == 1
    assert "the pictures need more room than fetch.max_store_gb gives" in stopped.printed
    assert not list(stopped.work.rglob("*.arrow*")), "nothing half is left"
    assert run_web("fetch.max_store_gb=1").status == 0


def test_pictures_that_are_stored_small_are_published_as_they_were(run_web, site):
    buffer = io.BytesIO()
    picture(SCENES["/star.png"], Random(0), 640).save(buffer, "PNG")
    site.contents["/star.png"] = buffer.getvalue()
    run = run_web("fetch.store_size=128")
    star = rows_of(run)["star.png"]
    assert (star["WIDTH"], star["HEIGHT"], star["format"]) == (640, 640, "PNG")
    assert star["size_bytes"] == len(buffer.getvalue())


def test_img2dataset_downloads_what_is_published(run_web, site, tmp_path):
    """The whole circle: our shards, with our columns beside their pictures."""
    ran = run_web()
    assert ran.status == 0, ran.printed
    command = (
        "import sys, img2dataset\n"
        "img2dataset.download(url_list=sys.argv[1], input_format='parquet', url_col='URL', "
        "caption_col='TEXT', output_folder=sys.argv[2],\n"
        "    save_additional_columns=['similarity', 'LICENSE'], output_format='files', "
        "processes_count=1, thread_count=4,\n"
        "    image_size=64, enable_wandb=False, compute_hash='sha256', verify_hash=['sha256', "
        "'sha256'])\n"
    )
    run_peer(command, str(ran.output / "dataset" / "en"), str(tmp_path / "got"))
    got = [
        row for path in tmp_path.glob("got/*.parquet") for row in pq.read_table(path).to_pylist()
    ]
    ours = [
        row
        for path in ran.output.glob("dataset/en/*.parquet")
        for row in pq.read_table(path).to_pylist()
    ]
    assert {row["status"] for row in got} == {"success"}, got
    assert sorted(
        (row["url"], row["caption"], row["similarity"], row["sha256"]) for row in got
    ) == sorted((row["URL"], row["TEXT"], row["similarity"], row["sha256"]) for row in ours)
    assert len(list(tmp_path.glob("got/*/*.jpg"))) == len(ours) > 1
