"""Which links have their turn, and what pages of a newer crawl say."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.rights.rights import PageRights, Rights
from pairsieve.recheck.links import (
    AskedLink,
    Link,
    asked_in,
    read_links,
    readable_sha256,
    write_links,
)
from pairsieve.recheck.result import RecheckResult, age_of, parse_recheck, recheck_text
from pairsieve.records.outcome import Counted, Rejection
from pairsieve.records.packed import pack_rows
from pairsieve.records.page import Location, Origin, Page
from pairsieve.storage import parts
from pairsieve.web.html import ALT_ALONE, parse_page
from pairsieve.web.places import address_key
from pairsieve.web.urls import host_of, url_id
from transforms.recheck.choose import (
    ChooseSettings,
    choose,
    links_of_rows,
    read_chosen,
    rows_of_shard,
    within_host_limit,
    write_chosen,
)
from transforms.recheck.pages import SeenPage, make_judge, newest, read_refusing, write_refusing


def settings(folder: str = "", **changes) -> ChooseSettings:
    values = dict(
        share=1.0, whole_share=0.0, per_host=None, seed=0, round_number=1, buckets=4, part_rows=500,
        own_names={}, links=f"{folder}/links", asked=f"{folder}/asked",
    )  # fmt: skip
    return ChooseSettings(**{**values, **changes})


def link(number: int, asked_at: str = "", fetched_at: str = "2024-01-01T00:00:00Z") -> AskedLink:
    url = f"https://a.example/{number}.png"
    before = Link(url_id(url), asked_at=asked_at) if asked_at else None
    return AskedLink(url, (), None, fetched_at, "", "", 1, False, before)


@given(st.lists(st.integers(0, 200), max_size=64), st.floats(0, 1), st.integers(0, 5))
def test_a_share_of_all_buckets_is_a_share_of_all_links(sizes, share, seed):
    chosen = 0
    for bucket, size in enumerate(sizes):
        links = [link(number) for number in range(size)]
        of_bucket = choose(links, bucket, settings(share=share, seed=seed))
        assert share * size - 1 <= len(of_bucket) <= share * size + 1
        chosen += len(of_bucket)
    total = sum(sizes)
    # Each bucket is rounded by lot; 64 of them are rarely 16 off in the sum.
    assert abs(chosen - share * total) <= 20


@given(st.permutations(range(30)))
def test_the_order_of_rows_makes_no_difference(order):
    links = [link(number) for number in order]
    expected = choose([link(number) for number in range(30)], 0, settings(share=0.3))
    assert choose(links, 0, settings(share=0.3)) == expected


def test_those_that_were_asked_longest_ago_come_first():
    links = [
        link(1, "2026-03-01T00:00:00Z"),
        link(2, "2026-01-01T00:00:00Z"),
        link(3, fetched_at="2025-01-01T00:00:00Z"),
        link(4, fetched_at="2024-01-01T00:00:00Z"),
    ]
    order = [each.url[-5] for each in choose(links, 0, settings())]
    assert order == ["4", "3", "2", "1"]


def test_another_seed_draws_others_of_the_same_day():
    links = [link(number) for number in range(100)]
    drawn = [{x.url for x in choose(links, 0, settings(share=0.2, seed=s))} for s in range(2)]
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize(("per_host", "left"), [(None, 0), (1, 3), (2, 2), (10, 0)])
def test_the_limit_of_a_host(per_host, left):
    urls = ["https://a.example/1", "https://b.example/2", "https://a.example/3"]
    urls += ["https://a.example/4", "https://a.example/5"]
    links = [AskedLink(url, (), None, "", "", "", 1, False, None) for url in urls]
    kept, left_out = within_host_limit(links, per_host)
    hosts = Counter(host_of(each.url) for each in kept)
    assert left_out == left
    assert per_host is None or max(hosts.values()) <= per_host


def test_rows_of_a_dataset_of_others(tmp_path):
    hashes = ["AB" * 32, "b", None]
    table = pa.table({"link": ["https://a.example/1", None, "no url"], "sha256": hashes})
    pq.write_table(table, tmp_path / "x.parquet")
    rows = list(rows_of_shard(str(tmp_path / "x.parquet"), {"URL": "link"}))
    assert rows == [("https://a.example/1", "ab" * 32, None, "", "", "")]


@pytest.mark.parametrize("cell", [None, "", "none", "ab" * 31, "xy" * 32])
def test_what_is_no_hash_is_compared_with_nothing(cell):
    assert readable_sha256(cell) == ""


def test_rows_of_one_url_are_one_link():
    row = ("https://a.example/1", "b" * 64, 5, "2024", "", "")
    rows = [row, (row[0], "a" * 64, 5, "2024", "", ""), row]
    (only,) = links_of_rows(rows, {})
    assert only.hashes == ("a" * 64, "b" * 64)
    assert only.rows == 3


def test_chosen_links_are_written_and_links_that_are_gone_forgotten(tmp_path):
    folder = str(tmp_path)
    rows = [(f"https://a.example/{n}", "a" * 64, 5, "2024", "", "") for n in range(7)]
    known = [Link(url_id(url), round=1) for url in (rows[0][0], "https://a.example/gone")]
    write_links(f"{folder}/links", 3, {each.link_id: each for each in known})
    write_chosen((3, [pack_rows(rows[:4]), pack_rows(rows[4:])]), settings(folder, part_rows=3))
    names = parts.part_names(f"{folder}/asked")
    assert [parts.bucket_of(name) for name in names] == [3, 3, 3]
    asked = [each for n in names for each in asked_in(parts.read_part(f"{folder}/asked", n))]
    assert sorted(each.url for each in asked) == sorted(row[0] for row in rows)
    assert [each.before for each in asked if each.before] == [known[0]]
    assert list(read_links(f"{folder}/links", 3)) == [known[0].link_id]
    assert read_chosen(f"{folder}/asked").links == 7


NO = "<meta name=robots content=noai>"


def a_page(
    body: str, crawl_time: str = "2026", url: str = "https://a.example/", headers=()
) -> Page:
    return Page(
        url, (("Content-Type", "text/html"), *headers), body.encode(), Origin("", 0, "", crawl_time)
    )


RESPECT = Rights("respect")


@pytest.mark.parametrize(
    ("rights", "page", "no"),
    [
        (RESPECT, a_page("words"), ""),
        (RESPECT, a_page(NO), "rights_noai"),
        (RESPECT, a_page("<meta name=robots content=noindex>"), ""),
        (
            Rights("strict", allow_licences=("cc0",)),
            a_page("<meta name=robots content=noindex>"),
            "rights_noindex",
        ),
        (Rights("record"), a_page(NO), ""),
        (RESPECT, a_page("", headers=(("tdm-reservation", "1"),)), "rights_tdm_reserved"),
    ],
)
def test_what_a_page_says_under_the_profile_of_the_dataset(rights, page, no):
    seen, counted = make_judge(rights)(page)
    assert seen == SeenPage(url_id("https://a.example/"), "2026", no)
    assert isinstance(counted, Rejection if no else Counted)


@given(st.sampled_from([NO, "<meta name=tdm-reservation content=1>", "<p>x", "<meta name=ROBOTS>"]))
def test_a_page_is_judged_as_extract_observes_it(head):
    page = a_page(f"<head>{head}</head>")
    observed = PageRights().load()(parse_page(page, "plain", ALT_ALONE))
    seen, _ = make_judge(RESPECT)(page)
    assert bool(seen.no) is bool(observed["page_rights_signals"])


def test_files_and_pages_with_a_password_say_nothing():
    judge = make_judge(RESPECT)
    assert not list(judge(Location("https://a.example/x.png", 200, "image/png", "", 0, "")))
    assert not list(judge(a_page(NO, url="https://me:secret@a.example/")))


def test_the_newest_capture_counts_and_of_two_the_one_that_refuses():
    pages = [SeenPage(b"a", "2", "no"), SeenPage(b"a", "3", ""), SeenPage(b"b", "1", "")]
    pages += [SeenPage(b"b", "1", "no"), SeenPage(b"c", "1", "")]
    assert newest(pages) == [
        SeenPage(b"a", "3", ""),
        SeenPage(b"b", "1", "no"),
        SeenPage(b"c", "1", ""),
    ]


def test_refusing_pages_are_written_and_read(tmp_path):
    ids = [url_id(address_key(f"https://a.example/{n}")) for n in range(3)]
    cells = [(ids[0], "1", "rights_noai"), (ids[1], "1", ""), (ids[2], "2", "rights_noai")]
    write_refusing((("pages", 5), [(), *cells]), str(tmp_path))
    write_refusing((("pages", 6), [(ids[1], "1", ""), ()]), str(tmp_path))
    assert read_refusing(str(tmp_path)) == {
        ids[0]: ("1", "rights_noai"),
        ids[2]: ("2", "rights_noai"),
    }


@pytest.mark.parametrize(
    ("fetched_at", "age"),
    [
        ("2026-10-31T00:00:00Z", "under 3 months"),
        ("2026-02-01T00:00:00Z", "3 to 12 months"),
        ("2025-01-01T00:00:00Z", "1 to 2 years"),
        ("2022-01-01T00:00:00Z", "2 to 5 years"),
        ("2020-01-01T00:00:00Z", "over 5 years"),
        ("", "not known"),
        ("yesterday", "not known"),
        ("2025-01-01", "1 to 2 years"),
    ],
)
def test_ages(fetched_at, age):
    assert age_of(fetched_at, "2026-11-01T00:00:00Z") == age


def test_the_result_in_words_and_back():
    by_age = {
        "1 to 2 years": {"same": 6, "gone": 2, "unreachable": 1, "changed": 1, "not_asked": 5},
        "not known": {"not_asked": 2},
    }
    result = RecheckResult(2, "2026-11-01", 3, 100, by_age, 4, {"changed": 1, "gone": 0})
    asked, taken_out, left = result.sentences()
    assert asked.startswith(
        "On 2026-11-01, 10 of 100 links were asked again; 3 of them (30.0 %) are dead: "
    )
    assert taken_out == "Rows taken out: changed 1."
    assert left.startswith("11 more had their turn and were not asked: ")
    assert result.table() == [("1 to 2 years", "10", "6", "1", "2", "0", "1", "30.0 %")]
    assert parse_recheck(recheck_text([result])) == [result]
