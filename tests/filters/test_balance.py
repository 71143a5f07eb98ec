"""Balance: concepts in captions, and MetaCLIP's formula."""

from __future__ import annotations

from math import prod, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from filters.balance.concepts import Concepts, folded
from filters.balance.languages import LanguageQuota
from filters.balance.rule import Balance, drawn
from filters.detector import MissingModel
from filters.subjects import ComparedPart


@pytest.fixture
def lists(tmp_path):
    (tmp_path / "en.txt").write_text("dog\nhot dog\nSan Francisco\ncafé\n\nC++\n")
    (tmp_path / "ja.txt").write_text("犬\n子犬\n", "utf-8")
    return {"en": str(tmp_path / "en.txt"), "ja": str(tmp_path / "ja.txt")}


@pytest.mark.parametrize(
    ("caption", "language", "concepts"),
    [
        ("A dog, of course", "en", ("dog",)),
        ("a HOT DOG!", "en", ("dog", "hot dog")),
        ("hot-dog", "en", ("dog", "hot dog")),
        ("dogs and hotdogs", "en", ()),
        ("dog dog dog", "en", ("dog",)),
        ("san\nfrancisco", "en", ("san francisco",)),
        ("in a cafe\u0301", "en", ("caf\xe9",)),
        ("learn c", "en", ("c",)),
        ("dog", "de", ()),
        ("dog", "", ()),
        ("", "en", ()),
        ("かわいい子犬です", "ja", ("子犬", "犬")),
        ("dog", "ja", ()),
    ],
)
def test_concepts_in_captions(lists, caption, language, concepts):
    assert Concepts(lists).matcher()(caption, language) == concepts


def plain_matches(caption: str, concepts: list[str]) -> tuple[str, ...]:
    """MetaCLIP's matching: spaced entries that are substrings of the spaced text."""
    return tuple(sorted({one for one in concepts if f" {one} " in f" {folded(caption)} "}))


WORDS = ["a", "b", "ab", "a b", "b a", "a b a"]


@given(st.lists(st.sampled_from(["a", "b", "ab", "c", ",", "-"]), max_size=12))
def test_the_automaton_finds_what_plain_substrings_find(tmp_path_factory, words):
    path = tmp_path_factory.mktemp("lists") / "en.txt"
    path.write_text("\n".join(WORDS))
    caption = " ".join(words)
    assert Concepts({"en": str(path)}).matcher()(caption, "en") == plain_matches(caption, WORDS)


@pytest.mark.parametrize("content", [None, b"\n \n...\n", b"\xff\xfe\xff"])
def test_lists_that_name_nothing_stop_the_run(tmp_path, content):
    path = tmp_path / "private" / "en.txt"
    if content is not None:
        path.parent.mkdir()
        path.write_bytes(content)
    with pytest.raises(MissingModel, match=r"lists\.en: en\.txt") as raised:
        Concepts({"en": str(path)}).prepare()
    assert "private" not in str(raised.value)


def test_the_digest_is_that_of_what_is_matched(lists, tmp_path):
    (tmp_path / "same.txt").write_text("c\ncafé\nSAN francisco\nhot dog\ndog\n")
    (tmp_path / "more.txt").write_text("c\ncafé\nSAN francisco\nhot dog\ndog\ncat\n")
    digest = Concepts(lists).prepare()
    assert Concepts({**lists, "en": str(tmp_path / "same.txt")}).prepare() == digest
    assert Concepts({**lists, "en": str(tmp_path / "more.txt")}).prepare() != digest


def test_each_row_gets_its_counts(lists):
    nothing = np.empty(0)
    part = ComparedPart(
        3, [], [], [], nothing, nothing, ["hot dog", "dog", "cat"], ["en", "de", "en"],
        {("en", "dog"): 7, ("en", "hot dog"): 2},
    )  # fmt: skip
    assert Concepts(lists).load()(part) == {
        "concepts": [("dog", "hot dog"), (), ()],
        "concept_pairs": [[7, 2], [], []],
    }


def evidence(number: int, concepts=("dog",), pairs=(100,), language="en"):
    key = number.to_bytes(16, "big")
    return {"key": key, "language": language, "concepts": concepts, "concept_pairs": pairs}


def reasons(rule: Balance, of) -> list[str]:
    return [decision.reason for decision in rule.judge(of)]


@pytest.mark.parametrize(
    ("most", "pairs"), [(20, (100,)), (20, (100, 40)), (10, (1000, 200, 25)), (1, (3,)), (5, (5,))]
)
def test_pairs_stay_with_the_probability_of_metaclip(most, pairs):
    """1 - the product of (1 - t / count), within five standard deviations."""
    rule, number = Balance({"en": most}, "keep"), 20_000
    concepts = tuple(f"concept {n}" for n in range(len(pairs)))
    kept = sum(not reasons(rule, evidence(n, concepts, pairs)) for n in range(number))
    wanted = 1 - prod(1 - min(1, most / count) for count in pairs)
    spread = 5 * sqrt(wanted * (1 - wanted) / number)
    assert abs(kept / number - wanted) <= spread


@given(
    st.integers(0, 2**128 - 1),
    st.lists(st.integers(1, 10_000), min_size=1, max_size=4),
    st.integers(1, 5_000),
    st.integers(1, 5_000),
)
def test_a_larger_t_keeps_what_a_smaller_one_kept(number, pairs, one, other):
    concepts = tuple(f"c{n}" for n in range(len(pairs)))
    of = evidence(number, concepts, tuple(pairs))
    less, more = sorted((one, other))
    if not reasons(Balance({"en": less}, "keep"), of):
        assert not reasons(Balance({"en": more}, "keep"), of)


def test_languages_have_thresholds_of_their_own():
    rule = Balance({"en": 1, "other": 1_000}, "drop")
    many = (1_000_000,)
    assert reasons(rule, evidence(1, pairs=many)) == ["concept_frequent"]
    assert reasons(rule, evidence(1, pairs=(1_000,), language="fi")) == []
    assert reasons(rule, evidence(1, (), (), "fi")) == ["concept_none"]
    assert reasons(Balance({"en": 1}, "drop"), evidence(1, (), (), "fi")) == []
    assert reasons(Balance({"en": 1}, "keep"), evidence(1, (), ())) == []


def of_language(number: int, language: str, pairs: int):
    return {"key": number.to_bytes(16, "big"), "language": language, "language_pairs": pairs}


def stays(rule: LanguageQuota, of) -> bool:
    return not list(rule.judge(of))


@pytest.mark.parametrize(
    ("language", "pairs", "share"),
    [
        ("en", 100, 1.0),
        ("en", 400, 0.25),
        ("fi", 400, 0.025),  # other
        ("", 400, 0.5),  # nolang
        ("zu", 400, 0.0),
    ],
)
def test_a_language_keeps_its_quota(language, pairs, share):
    """quota / count, within five standard deviations."""
    rule = LanguageQuota({"en": 100, "other": 10, "nolang": 200, "zu": 0})
    number = 20_000
    kept = sum(stays(rule, of_language(n, language, pairs)) for n in range(number))
    assert abs(kept / number - share) <= 5 * sqrt(share * (1 - share) / number)


def test_a_language_without_a_quota_is_not_limited():
    rule = LanguageQuota({"en": 1})
    assert all(stays(rule, of_language(n, "de", 10**9)) for n in range(100))
    assert not all(stays(rule, of_language(n, "en", 10**9)) for n in range(100))


@given(st.integers(0, 2**128 - 1), *[st.integers(0, 5_000)] * 2, st.integers(1, 10_000))
def test_a_larger_quota_keeps_what_a_smaller_one_kept(number, one, other, pairs):
    less, more = sorted((one, other))
    of = of_language(number, "en", pairs)
    if stays(LanguageQuota({"en": less}), of):
        assert stays(LanguageQuota({"en": more}), of)


def test_the_draw_of_a_language_is_not_that_of_a_concept():
    """Else a pair that one rule keeps would be kept by the other."""
    keys = [n.to_bytes(16, "big") for n in range(4_000)]
    both = np.array([[drawn(key, "dog"), drawn(key, "\0language")] for key in keys])
    assert abs(np.corrcoef(both.T)[0, 1]) < 0.08


def test_draws_are_the_same_everywhere():
    # Written down once: another draw would exchange the pairs of every dataset.
    assert drawn(bytes(16), "dog") == 0.3384051545728253
    assert drawn(bytes(16), "dog") != drawn(bytes(16), "cat")


def test_a_threshold_below_one_is_refused():
    with pytest.raises(ValidationError):
        TypeAdapter(Balance).validate_python({"most_pairs": {"en": 0}, "unmatched": "keep"})
