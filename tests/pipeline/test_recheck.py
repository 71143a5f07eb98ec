"""`pairsieve recheck`, end to end: links on the loopback site, and newer crawls of their pages.

What each link serves is planted, so what must go out is known.
"""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.commands.recheck import main
from pipeline.commands.verify import main as verify
from tests.support import warcs
from tests.support.datasets import hashes, manifest_of
from tests.support.demo_runs import captured, copy_of
from tests.support.killing import KILLED
from tests.support.rechecking import (
    FIRST,
    OLD,
    SECOND,
    THIRD,
    arguments_for,
    drawing,
    names_in,
    publish,
    recheck,
)
from tests.support.warcs import page
from tests.support.wat_files import envelope, wat_file

NAMES = ("calm.png", "still.png", "picture.png", "other.png")


@pytest.fixture
def dataset(site, tmp_path) -> Path:
    return publish(site, NAMES, tmp_path)


def change(site, name: str, content: bytes) -> None:
    site.contents[f"/{name}"] = content
    site.headers[f"/{name}"] = {"Last-Modified": "Sun, 01 Feb 2026 00:00:00 GMT"}


def test_unchanged_links_stay_and_cost_one_head_each(dataset, site):
    said = recheck(dataset, site, FIRST)
    assert said.status == 0, said.printed
    assert names_in(dataset) == set(NAMES)
    assert manifest_of(dataset)["version"] == 1
    assert site.asked_beside_files == {f"/{name}": 1 for name in NAMES}
    assert said.printed.endswith("dataset: 0 rows taken out; version 1\n")


def test_a_changed_picture_goes_out_at_once_and_other_files_stay(dataset, site):
    change(site, "picture.png", drawing(7))
    before = hashes(dataset)
    said = recheck(dataset, site, FIRST)
    assert said.status == 0, said.printed
    assert names_in(dataset) == {*NAMES} - {"picture.png"}
    after = hashes(dataset)
    assert after["1.parquet"] == before["1.parquet"]
    assert after["0.parquet"] != before["0.parquet"]
    manifest = manifest_of(dataset)
    assert manifest["version"] == 2
    (entry,) = manifest["erasures"]
    assert (entry["requests"], entry["rows"], entry["recheck"]) == (0, 1, {"changed": 1})
    assert "erasures/delta-00002.parquet" in after
    with captured():
        assert verify(["--dataset", str(dataset)]) == 0


def test_a_picture_that_looks_the_same_may_stay(dataset, site):
    # The same drawing as JPEG: other bytes, the same look.
    change(site, "picture.png", drawing(2, kind="JPEG"))
    assert recheck(dataset, site, FIRST, "--keep-alike").status == 0
    assert names_in(dataset) == set(NAMES)
    change(site, "other.png", drawing(7))
    assert recheck(dataset, site, SECOND, "--keep-alike").status == 0
    assert names_in(dataset) == {*NAMES} - {"other.png"}
    assert recheck(dataset, site, THIRD).status == 0
    assert names_in(dataset) == {*NAMES} - {"other.png", "picture.png"}, "known, and strict now"


@pytest.mark.parametrize("status", [404, 410, 403, 451])
def test_gone_links_go_out_after_two_rechecks_of_different_days(dataset, site, status):
    site.first["/picture.png"] = [(status, {})] * 20
    assert recheck(dataset, site, FIRST).status == 0
    later_that_day = FIRST.replace("T06", "T18")
    assert recheck(dataset, site, later_that_day).status == 0
    assert names_in(dataset) == set(NAMES), "counted once a day"
    said = recheck(dataset, site, SECOND)
    assert names_in(dataset) == {*NAMES} - {"picture.png"}
    assert "gone 1" in said.printed


def test_a_link_that_came_back_begins_anew(dataset, site):
    site.first["/picture.png"] = [(404, {})] * 2  # HEAD and GET
    recheck(dataset, site, FIRST)
    recheck(dataset, site, SECOND)
    site.first["/picture.png"] = [(404, {})] * 2
    recheck(dataset, site, THIRD)
    assert names_in(dataset) == set(NAMES)


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_that_is_down_is_not_gone(dataset, site, status):
    site.first["/picture.png"] = [(status, {"Retry-After": "0"})] * 200
    for at in (FIRST, SECOND, THIRD):
        assert recheck(dataset, site, at).status == 0
    assert names_in(dataset) == set(NAMES)
    at = "2026-11-04T06:00:00Z"
    said = recheck(dataset, site, at, "--unreachable-after=4")
    assert names_in(dataset) == {*NAMES} - {"picture.png"}
    assert "unreachable 1" in said.printed


def test_an_unreachable_robots_txt_is_no_refusal_and_nothing_is_asked(dataset, site):
    site.robots = (503, "")
    for at in (FIRST, SECOND, THIRD):
        assert recheck(dataset, site, at).status == 0
    assert names_in(dataset) == set(NAMES)
    assert not site.asked_beside_files


@pytest.mark.parametrize(
    "refuse",
    [
        lambda site: setattr(site, "robots", (200, "User-agent: *\nDisallow: /picture.png")),
        lambda site: setattr(site, "robots", (200, "User-agent: GPTBot\nDisallow: /picture.png")),
        lambda site: site.headers["/picture.png"].update({"X-Robots-Tag": "noai"}),
        lambda site: site.headers["/picture.png"].update({"TDM-Reservation": "1"}),
        lambda site: site.headers["/picture.png"].update({"Content-Usage": "train-ai=n"}),
    ],
)
def test_new_refusals_take_the_row_out_without_a_body(dataset, site, refuse):
    refuse(site)
    said = recheck(dataset, site, FIRST)
    assert names_in(dataset) == {*NAMES} - {"picture.png"}
    assert "reserved 1" in said.printed
    assert site.asked["/picture.png"] <= 1, "HEAD at most"


def test_a_new_refusal_behind_a_licence_link(dataset, site):
    site.headers["/picture.png"]["Link"] = '</l.xml>; rel="license"; type="application/rsl+xml"'
    site.contents["/l.xml"] = (
        b'<rsl xmlns="https://rslstandard.org/rsl"><content url="/"><license>'
        b'<prohibits type="usage">ai-train</prohibits></license></content></rsl>'
    )
    assert recheck(dataset, site, FIRST).status == 0
    assert names_in(dataset) == {*NAMES} - {"picture.png"}


def test_a_redirect_to_the_same_picture_stays_and_one_to_a_parked_domain_is_gone(dataset, site):
    site.contents["/new.png"] = site.contents["/picture.png"]
    site.types["/new.png"] = "image/png"
    site.contents["/sale.html"] = (
        b"<!doctype html><html><body>This domain is for sale</body></html>"
    )
    site.types["/sale.html"] = "text/html"
    site.first["/picture.png"] = [(302, {"Location": "/new.png"})] * 20
    site.first["/other.png"] = [(302, {"Location": "/sale.html"})] * 20
    recheck(dataset, site, FIRST)
    assert names_in(dataset) == set(NAMES)
    recheck(dataset, site, SECOND)
    assert names_in(dataset) == {*NAMES} - {"other.png"}


def test_later_runs_leave_out_what_went_out_and_not_its_picture(dataset, site):
    from pairsieve.erasure.tombstones import IMAGE_URL, SHA256, read_tombstones
    from pairsieve.web.places import address_key

    row = pq.read_table(dataset / "0.parquet").to_pylist()[1]
    change(site, "picture.png", drawing(7))
    recheck(dataset, site, FIRST)
    stones = read_tombstones(f"{dataset}.erased")
    assert stones.has(IMAGE_URL, address_key(row["URL"]))
    assert not stones.has(SHA256, row["sha256"])
    assert not stones.pdq


def test_a_dry_run_asks_and_the_next_command_asks_nothing_again(dataset, site):
    change(site, "picture.png", drawing(7))
    before = hashes(dataset)
    said = recheck(dataset, site, FIRST, "--dry-run")
    assert said.status == 0
    assert said.printed.endswith("dataset: 1 rows would be taken out\n")
    assert hashes(dataset) == before
    asked = dict(site.asked)
    assert recheck(dataset, site, SECOND).status == 0
    assert site.asked == asked
    assert names_in(dataset) == {*NAMES} - {"picture.png"}
    (result,) = json.loads((dataset / "recheck.json").read_text())["rechecks"]
    assert result["day"] == FIRST[:10]


def test_a_share_is_asked_and_the_oldest_first(site, tmp_path):
    names = [f"{number}.png" for number in range(20)]
    dataset = publish(site, names, tmp_path)
    asked = []
    for day in range(1, 6):
        site.asked.clear()
        at = f"2026-11-{day:02}T06:00:00Z"
        assert recheck(dataset, site, at, "--share=0.25", "--seed=3").status == 0
        asked.append(set(site.asked_beside_files))
    assert [len(paths) for paths in asked] == [5] * 5
    assert len(set.union(*asked[:4])) == 20, "each once before any comes again"
    assert asked[4] == asked[0]


def test_a_host_that_allows_fewer_is_asked_fewer_and_the_rest_the_next_time(
    site, tmp_path, monkeypatch
):
    names = [f"{number}.png" for number in range(6)]
    dataset = publish(site, names, tmp_path)
    # As if a link took 10,000 requests, a millisecond apart: three links fit into 36 seconds.
    monkeypatch.setattr("pipeline.dataset.recheck.REQUESTS_PER_LINK", 10_000)
    limits = ("--set=fetch.min_interval_s=0.001", "--hours=0.01")
    said = recheck(dataset, site, FIRST, *limits)
    assert said.status == 0, said.printed
    assert "3 more had their turn and were not asked" in said.printed
    first = set(site.asked_beside_files)
    assert len(first) == 3
    assert recheck(dataset, site, SECOND, *limits).status == 0
    assert set(site.asked_beside_files) == {f"/{name}" for name in names}


def test_nothing_is_asked_after_the_time(site, tmp_path):
    names = [f"{number}.png" for number in range(4)]
    dataset = publish(site, names, tmp_path)
    site.robots = (200, "User-agent: *\nCrawl-delay: 1")
    said = recheck(dataset, site, FIRST, "--hours=0.0007")
    assert said.status == 0, said.printed
    assert "had their turn and were not asked" in said.printed
    assert site.asked_beside_files.total() < 4
    assert names_in(dataset) == set(names)


def test_what_is_known_of_links_that_went_out_is_forgotten_and_no_url_is_kept(dataset, site):
    change(site, "picture.png", drawing(7))
    recheck(dataset, site, FIRST)
    recheck(dataset, site, SECOND)
    links = [pq.read_table(path) for path in dataset.parent.glob("work/recheck/*/links/*.parquet")]
    assert sum(table.num_rows for table in links) == 3
    kept = b"".join(
        path.read_bytes()
        for path in dataset.parent.glob("work/recheck/**/*")
        if path.is_file() and "sites" not in path.parts
    )
    assert b"picture.png" not in kept
    assert b"127.0.0.1" not in kept
    assert not list(dataset.parent.glob("work/recheck/*/round"))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--share=1.5", "give a share from 0 to 1"),
        ("--hours=0", "give a number above 0"),
        ("--gone-after=0", "give a number from 1"),
        ("--no-such-option=1", "unknown option --no-such-option"),
    ],
)
def test_wrong_options(dataset, site, option, message):
    said = recheck(dataset, site, FIRST, option)
    assert said.status == 2
    assert message in said.printed


def test_without_a_contact_no_request_is_made(dataset, tmp_path):
    with captured() as printed:
        assert main(["--dataset", str(dataset), "--work", str(tmp_path / "work")]) == 2
    assert "nothing says to whom a publisher can turn" in printed.getvalue()


def test_the_work_directory_may_not_lie_in_the_dataset(dataset, site):
    with captured() as printed:
        assert main(["--dataset", str(dataset), "--work", str(dataset / "work")]) == 2
    assert "lies in the dataset" in printed.getvalue()


# A recheck of the four links makes about 40 changes in the work directory, and 64 in the dataset.
@pytest.mark.parametrize(
    ("folder", "kill_at"),
    [("work", 5), ("work", 25), *(("dataset", number) for number in (32, 40, 47, 53, 59))],
)
def test_a_recheck_that_is_killed_goes_on_and_asks_no_finished_part_again(
    folder, kill_at, dataset, site, commands
):
    change(site, "picture.png", drawing(7))
    arguments = ["recheck", *arguments_for(dataset, site)]
    killed = commands(arguments, dataset.parent / folder, kill_at)
    assert killed["status"] == KILLED
    # After its last step the round is closed, and the same command begins another.
    is_open = bool(list(dataset.parent.glob("work/recheck/*/round/round.json")))
    written = list(dataset.parent.glob("work/recheck/*/round/seen/part-*.parquet"))
    all_seen = sum(pq.read_metadata(path).num_rows for path in written) == len(NAMES)
    asked = dict(site.asked_beside_files)
    again = commands(arguments, dataset.parent)
    assert again["status"] == 0, again
    assert names_in(dataset) == {*NAMES} - {"picture.png"}
    assert len(json.loads((dataset / "recheck.json").read_text())["rechecks"]) >= 1
    assert manifest_of(dataset)["version"] == 2
    with captured():
        assert verify(["--dataset", str(dataset)]) == 0
    if is_open and all_seen:
        assert site.asked_beside_files == asked
    assert not list(dataset.glob("unfinished-*"))


def in_crawl(path: Path, *records: bytes) -> Path:
    path.write_bytes(b"".join(records))
    return path


def look_up(dataset: Path, crawl: Path, *more: str) -> tuple[int, str]:
    arguments = ["--dataset", str(dataset), "--work", str(dataset.parent / "work")]
    arguments += ["--crawl", str(crawl), "--log=quiet", "--direct_num_workers=1", *more]
    with captured() as printed:
        status = main(arguments)
    return status, printed.getvalue()


LICENCE_INSIDE = (
    '<script type="application/rsl+xml"><rsl xmlns="https://rslstandard.org/rsl"><content url="/">'
    '<license><prohibits type="usage">ai-train</prohibits></license></content></rsl></script>'
)
PAGES = [f"https://{letter}.example/page?x=1" for letter in "abcd"]


def with_pages(site, folder: Path, crawl_time: str = "2025-01-01T00:00:00Z") -> Path:
    extra = {"page_url": PAGES, "crawl_time": [crawl_time] * 4}
    return publish(site, NAMES, folder, extra)


@pytest.mark.parametrize(
    ("head", "headers"),
    [
        ("<meta name=robots content=noai>", ()),
        ("<meta name=GPTBot content=noindex>", ()),
        ('<meta name="tdm-reservation" content=1>', ()),
        ("", (("X-Robots-Tag", "noimageai"),)),
        ("", (("tdm-reservation", "1"),)),
        ("", (("Content-Usage", "train-ai=n"),)),
        (LICENCE_INSIDE, ()),
    ],
)
def test_a_page_that_refuses_in_a_newer_crawl(site, tmp_path, head, headers):
    dataset = with_pages(site, tmp_path)
    # Without a single image: what a page says counts for what stood on it.
    refusing = page(PAGES[1], f"<head>{head}</head><p>words", headers=headers)
    crawl = in_crawl(tmp_path / "n.warc.gz", page(PAGES[0]), refusing, page("https://e.example/"))
    status, printed = look_up(dataset, crawl)
    assert status == 0, printed
    assert names_in(dataset) == {*NAMES} - {NAMES[1]}, "a page that is not in it says nothing"
    assert printed.startswith("3 pages in the newer crawl, 1 of them refuse\n")
    assert not site.asked
    assert manifest_of(dataset)["erasures"][0]["recheck"] == {"page_reserved": 1}


def test_a_wat_is_as_good(site, tmp_path):
    dataset = with_pages(site, tmp_path)
    table = pq.read_table(dataset / "0.parquet").to_pylist()
    assert table
    # The record of the support module is that of https://a.example/d/, and says noai.
    extra = {"page_url": ["https://a.example/d/", *PAGES[1:]], "crawl_time": [""] * 4}
    (tmp_path / "other").mkdir()
    dataset = publish(site, NAMES, tmp_path / "other", extra)
    crawl = in_crawl(tmp_path / "n.warc.wat.gz", wat_file(envelope()))
    status, printed = look_up(dataset, crawl)
    assert status == 0, printed
    assert names_in(dataset) == {*NAMES} - {NAMES[0]}


def test_an_older_capture_says_nothing_and_of_several_the_newest_counts(site, tmp_path):
    no = "<meta name=robots content=noai>"
    dataset = with_pages(site, tmp_path, "2026-06-01T00:00:00Z")
    # Records of the support module are of 2026-01-02.
    crawl = in_crawl(tmp_path / "n.warc.gz", page(PAGES[0], no))
    assert look_up(dataset, crawl)[0] == 0
    assert names_in(dataset) == set(NAMES)


def test_a_page_that_allows_again_stays(site, tmp_path, monkeypatch):
    no = "<meta name=robots content=noai>"
    dataset = with_pages(site, tmp_path)
    older = page(PAGES[0], no)
    monkeypatch.setattr(warcs, "DATE", "2026-03-01T00:00:00Z")
    newer = page(PAGES[0], "<p>all welcome")
    refusing_later = page(PAGES[1], no)
    monkeypatch.undo()
    crawl = in_crawl(tmp_path / "n.warc.gz", newer, older, page(PAGES[1]), refusing_later)
    assert look_up(dataset, crawl)[0] == 0
    assert names_in(dataset) == {*NAMES} - {NAMES[1]}


def test_a_crawl_that_cannot_be_read_changes_nothing(site, tmp_path):
    dataset = with_pages(site, tmp_path)
    before = hashes(dataset)
    crawl = in_crawl(tmp_path / "n.warc.gz", b"no archive")
    status, printed = look_up(dataset, crawl)
    assert status == 1
    assert "nothing could be read" in printed
    assert hashes(dataset) == before
    assert look_up(dataset, tmp_path / "missing.warc.gz")[0] == 2


def test_pages_of_a_run_that_refuse_later_and_what_the_card_says(demo_run, tmp_path, monkeypatch):
    """The dataset of a run: its own profile, its card, its report, and the run after it."""
    copy = copy_of(demo_run, tmp_path)
    rows = [
        row
        for path in sorted(copy.glob("out/dataset/*/*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]
    page_url = rows[0]["page_url"]
    monkeypatch.setattr(warcs, "DATE", "2030-01-01T00:00:00Z")
    on_page = [row for row in rows if row["page_url"] == page_url]
    crawl = in_crawl(tmp_path / "n.warc.gz", page(page_url, "<meta name=robots content=noai>"))
    arguments = ["--dataset", str(copy / "out"), "--work", str(copy / "work")]
    arguments += ["--crawl", str(crawl), "--log=quiet", "--direct_num_workers=1"]
    with captured() as printed:
        assert main(arguments) == 0, printed.getvalue()
    left = sum(pq.read_table(path).num_rows for path in (copy / "out").glob("dataset/*/*.parquet"))
    assert left == len(rows) - len(on_page)
    card = (copy / "out" / "README.md").read_text()
    assert f"rows taken out: page_reserved {len(on_page)}" in card
    assert "Links asked again" in (copy / "out" / "report.html").read_text()
    with captured():
        assert verify(["--dataset", str(copy / "out")]) == 0


@pytest.mark.parametrize("lost", ["nothing", "a picture"])
def test_the_dataset_of_a_run_on_the_web(run_web, site, lost, tmp_path):
    ran = run_web()
    assert ran.status == 0
    for path in ("/star.png", "/car.png"):
        site.headers[path] = dict(OLD)
    if lost == "a picture":
        change(site, "star.png", drawing(7))
    site.asked.clear()
    arguments = arguments_for(ran.output, site, "--set=extract.buckets=64")
    with captured() as printed:
        status = main([*arguments[:2], "--work", str(ran.work), *arguments[4:]])
    assert status == 0, printed.getvalue()
    names = {
        row["URL"].rpartition("/")[2]
        for path in ran.output.glob("dataset/*/*.parquet")
        for row in pq.read_table(path).to_pylist()
    }
    expected = {"star.png", "car.png"} if lost == "nothing" else {"car.png"}
    assert names == expected
    card = (ran.output / "README.md").read_text()
    assert "links were asked again" in card
    assert "| under 3 months | 2 |" in card
    assert "Links asked again on" in (ran.output / "report.html").read_text()
    again = run_web()
    if lost == "nothing":
        assert again.status == 0
        assert "links were asked again" in (ran.output / "README.md").read_text(), "nothing to do"
    else:
        assert again.status == 2, "a config without the tombstones would bring the row back"
        with_stones = f"filters.rules.erasure={{tombstones: {ran.output}.erased}}"
        assert run_web(with_stones).status == 0
        rows = [
            row
            for path in ran.output.glob("dataset/*/*.parquet")
            for row in pq.read_table(path).to_pylist()
        ]
        assert [row["URL"].rpartition("/")[2] for row in rows] == ["car.png"]
