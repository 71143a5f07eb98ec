from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pairsieve.records.page import Location
from pairsieve.records.pair import Pair, key_of
from transforms.locations import prefer
from transforms.write_pairs import slice_pairs


def pair(url: str, caption: str) -> Pair:
    return Pair(key_of(url, caption), url, caption, "en", "en", "", "", 0, "", "", 0, {})


pairs = st.lists(
    st.builds(pair, st.sampled_from("uvwxyz"), st.text("abc", max_size=3)),
    max_size=30,
    unique_by=lambda p: p.key,
)


@given(pairs, st.integers(1, 10), st.randoms())
def test_parts_hold_every_pair_once_and_each_url_in_one_part(found, rows, random):
    parts = list(slice_pairs(found, rows))
    assert sorted(p.key for part in parts for p in part) == sorted(p.key for p in found)
    urls = [{p.url for p in part} for part in parts]
    assert sum(map(len, urls)) == len({p.url for p in found})
    assert all(len(part) >= rows for part in parts[:-1])
    assert list(slice_pairs(random.sample(found, len(found)), rows)) == parts


def test_better_locations():
    gone, first, later = (
        Location("u", status, "", "f", offset, "")
        for status, offset in ((404, 0), (200, 5), (200, 9))
    )
    assert prefer(None, gone) is gone
    assert prefer(gone, later) is later
    assert prefer(later, first) is first
    assert prefer(first, gone) is first
