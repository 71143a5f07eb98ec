from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pairsieve.records.pair import Pair, key_of
from transforms.deduplicate import deduplicate

pairs = st.builds(
    lambda url, caption, file, offset, position, signals, headlines, licence: Pair(
        key_of(url, caption),
        url,
        caption,
        "en",
        "en",
        "",
        file,
        offset,
        "",
        "",
        position,
        {
            "signals": tuple(sorted(signals)),
            # A list of records, as the headlines of medical pages are.
            "headlines": tuple({"score": 0.5, "text": text} for text in sorted(headlines)),
            "licence": licence,
        },
    ),
    url=st.sampled_from("uvw"),
    caption=st.sampled_from("abc"),
    file=st.sampled_from("fg"),
    offset=st.integers(0, 3),
    position=st.integers(0, 100),
    signals=st.sets(st.sampled_from(["noai", "tdm"])),
    headlines=st.sets(st.sampled_from(["X-ray", "Clinic"])),
    licence=st.none(),
)
some_pairs = st.lists(
    pairs, max_size=12, unique_by=lambda pair: (pair.warc_file, pair.record_offset, pair.position)
)


@given(some_pairs, st.randoms())
def test_order_does_not_matter(found, random):
    shuffled = random.sample(found, len(found))
    assert deduplicate(shuffled) == deduplicate(found)


@given(some_pairs)
def test_doing_it_again_changes_nothing(found):
    assert deduplicate(deduplicate(found)) == deduplicate(found)


@given(some_pairs)
def test_one_pair_for_each_url_and_caption_sorted_by_key(found):
    kept = deduplicate(found)
    assert {(pair.url, pair.caption) for pair in kept} == {
        (pair.url, pair.caption) for pair in found
    }
    assert [pair.key for pair in kept] == sorted({pair.key for pair in found})


@given(some_pairs)
def test_what_one_page_says_of_a_picture_is_said_of_it(found):
    for pair in deduplicate(found):
        said = {
            signal
            for other in found
            if other.url == pair.url
            for signal in other.evidence["signals"]
        }
        assert set(pair.evidence["signals"]) == said
        headlines = {
            headline["text"]
            for other in found
            if other.url == pair.url
            for headline in other.evidence["headlines"]
        }
        assert [headline["text"] for headline in pair.evidence["headlines"]] == sorted(headlines)


def test_first_in_crawl_order_wins():
    def pair(file: str, offset: int, position: int) -> Pair:
        return Pair(
            key_of("u", "a"),
            "u",
            "a",
            "en",
            "en",
            f"{file}{offset}{position}",
            file,
            offset,
            "",
            "",
            position,
            {},
        )

    (winner,) = deduplicate([pair("g", 0, 0), pair("f", 7, 1), pair("f", 7, 0), pair("f", 10, 0)])
    assert winner.page_url == "f70"
