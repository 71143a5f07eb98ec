from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.storage.parts import bucket_of, part_name
from pairsieve.web.sites import SiteTexts
from pairsieve.web.urls import bucket_of_url
from transforms.fetch.lanes import lane_of_each_part, make_lanes
from transforms.fetch.robots_texts import SiteTextCache


def parts_of(*sizes: int) -> list[str]:
    return [part_name(bucket, chunk) for bucket, size in enumerate(sizes) for chunk in range(size)]


@given(st.lists(st.integers(0, 30), max_size=12), st.integers(1, 9), st.integers(1, 5))
def test_every_part_is_in_one_lane_and_every_allowance_is_kept(sizes, lanes, max_shares):
    names = parts_of(*sizes)
    made = make_lanes(names, lanes, max_shares)
    assert sorted(name for lane in made for name in lane.names) == names
    assert len(made) <= lanes
    for bucket, size in enumerate(sizes):
        shares = [lane.shares[bucket] for lane in made if bucket in lane.shares]
        assert len(shares) <= max_shares
        assert shares == ([len(shares)] * len(shares)), "each of k lanes has a k-th"
        assert bool(shares) == (size > 0)
    for lane in made:
        assert set(lane.shares) == {bucket_of(name) for name in lane.names}


def test_half_of_everything_on_one_host_is_no_lane_of_its_own():
    made = make_lanes(parts_of(64, *[2] * 32), lanes=8, max_shares=8)
    assert [len(lane.names) for lane in made] == [16] * 8
    assert {lane.shares[0] for lane in made if 0 in lane.shares} == {4}


def test_buckets_of_a_lane_go_forward_side_by_side():
    (lane,) = make_lanes(parts_of(2, 2), 1, 4)
    assert [(name[5:10], name[11:]) for name in lane.names] == [
        ("00000", "0000"),
        ("00001", "0000"),
        ("00000", "0001"),
        ("00001", "0001"),
    ]


def test_hosts_of_other_lanes_are_asked_as_little_as_all_lanes_may():
    made = make_lanes(parts_of(1, 1, 1), 3, 2)
    host = next(
        f"h{n}.example" for n in range(99) if bucket_of_url(f"http://h{n}.example/", 3) == 0
    )
    assert sorted(lane.share_of(3)(host) for lane in made) == [1, 3, 3]


def test_parts_of_one_host_have_lanes_of_their_own_where_no_host_is_asked():
    names = parts_of(0, 3, 1)
    made = lane_of_each_part(names)
    assert [lane.names for lane in made] == [(name,) for name in names]
    # What is divided among lanes, such as the disk quota, is divided among all of them.
    assert {lane.lanes for lane in made} == {4}


@pytest.fixture
def shelf(tmp_path) -> SiteTextCache:
    return SiteTextCache(str(tmp_path / "robots"), buckets=4, max_age_s=100)


def test_robots_texts_are_kept_a_while(shelf):
    now = time.time()
    origins = {
        f"https://h{n}.example": SiteTexts({"robots.txt": f"# {n}"}, now - 30 * n) for n in range(8)
    }
    shelf.write(range(4), origins)
    assert shelf.read(range(4)) == {
        origin: said for origin, said in origins.items() if said.read_at > now - 100
    }


def test_robots_texts_of_other_buckets_are_left_as_they_are(shelf):
    origin = "https://a.example"
    own = bucket_of_url(origin, 4)
    shelf.write([own], {origin: SiteTexts({"robots.txt": "first"}, time.time())})
    shelf.write([(own + 1) % 4], {origin: SiteTexts({"robots.txt": "second"}, time.time())})
    assert shelf.read(range(4))[origin].texts == {"robots.txt": "first"}
