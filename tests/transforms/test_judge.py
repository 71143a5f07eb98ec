"""The samples of a part together: the same as each sample by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.detector import Needs
from filters.pictures.nudity import Nudity
from filters.pictures.size import ImageSize
from filters.privacy.detector import PersonalDataInPair
from filters.privacy.rule import PersonalData
from filters.rights.rights import Rights
from filters.rule import Action, Decision, Readable
from filters.similarity import Similarity
from filters.subset import Subset
from pairsieve.records.outcome import Counted, Noted, Rejection, tally_of
from pairsieve.records.pair import PAIR_SCHEMA, Pair, key_of
from pairsieve.records.sample import IMAGE_SCHEMA, SCORE_SCHEMA, Image, Sample, Score
from pairsieve.records.sample_table import SampleRow, SampleTable
from pairsieve.records.table import schema_with, to_table
from transforms.judge import KeptSamples, judge_part
from transforms.rules import (
    Evidence,
    KeptSample,
    LedgerRow,
    PartRows,
    RuleSettings,
    make_rule_book,
)

SECRET = b"s" * 32
PAGE = {"page_rights_signals": pa.list_(pa.string()), "licence": pa.string()}
OF_SCORES = {"punsafe": pa.float32()}


@dataclass(frozen=True)
class Fragile:
    """Raises on some captions, and tags others; it has no `speaks`, and needs a detector."""

    name: ClassVar[str] = "fragile"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("letters",)
    actions: ClassVar[tuple[Action, ...]] = (Action.TAG,)
    saves_request: ClassVar[bool] = False

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        if evidence["letters"] > 20:
            yield Decision(Action.TAG, "long", score=evidence["letters"])
        if evidence["caption"].endswith("!"):
            raise LookupError(evidence["caption"])


@dataclass(frozen=True)
class Letters:
    """A detector that fails on some captions, with the error that a mapping raises."""

    name: ClassVar[str] = "letters"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.PAIR
    columns: ClassVar = {"letters": pa.int32()}

    def load(self):
        def observe(pair: Pair):
            return {"letters": {"?": None}.get(pair.caption[-1]) or self._count(pair)}

        return observe

    @staticmethod
    def _count(pair: Pair) -> int:
        if pair.caption.endswith("?"):
            raise KeyError("letters")
        return len(pair.caption)


@dataclass(frozen=True)
class Optional:
    """Reads a detector's column with `get`, which must not hide that the detector failed."""

    name: ClassVar[str] = "optional"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ()
    actions: ClassVar[tuple[Action, ...]] = (Action.TAG,)
    saves_request: ClassVar[bool] = True

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        if evidence.get("letters", 0) == 3 or evidence.get("nowhere"):
            yield Decision(Action.TAG, "three")


RULES = (
    Subset(("en", "multi")),
    Rights("respect"),
    ImageSize(100, 10, 10_000_000),
    Similarity({"en": 0.3, "multi": 0.2}),
    Nudity(0.8, 0.2),
    PersonalData(captions="redact", urls="drop"),
)
DETECTORS = (PersonalDataInPair(),)
SETS = {
    "columns alone": (RULES[:5], ()),
    "with a detector": (RULES, DETECTORS),
    "with a rule that raises": ((*RULES, Fragile()), (*DETECTORS, Letters())),
    "with a detector that raises": ((*RULES, Optional()), (*DETECTORS, Letters())),
    "with a detector that no rule reads": (RULES, (*DETECTORS, Letters())),
    "no rule": ((), ()),
}
captions = st.sampled_from(
    [
        "a red star",
        "mail me@example.org",
        "+49 30 901820 and a longer caption",
        "no!",
        "who?",
        "abc",
    ]
)


@st.composite
def samples(draw) -> Sample:
    url = draw(st.sampled_from(["https://a.example/p.jpg", "https://b.example/me@example.org"]))
    caption = draw(captions)
    number = draw(st.integers(0, 999))
    pair = Pair(
        key_of(f"{url}{number}", caption), url, caption,
        draw(st.sampled_from(["en", "multi", "nolang"])), "en",
        "https://a.example/", "/private/f.warc.gz", 7, "sha1:D", "T", 0,
        {"page_rights_signals": draw(st.none() | st.sampled_from([(), ("noai",)])), "licence": None},
    )  # fmt: skip
    errors = st.sampled_from([(), (), (), ("TypeError",)])
    image = Image(
        pair.key, draw(st.sampled_from(["ok", "ok", "timeout"])), 200, url, "T", "image/jpeg",
        draw(st.sampled_from([9000, 50, None])), "ab", "cd", warc_file="/private/image.warc",
        errors=draw(errors), evidence={},
    )  # fmt: skip
    score = Score(
        pair.key, draw(st.sampled_from(["ok", "ok", "ok", "undecodable"])),
        draw(st.sampled_from([640, 5, None])), 480, "JPEG",
        draw(st.sampled_from([0.1, 0.25, 0.5, float("nan"), None])), "m@w",
        draw(st.sampled_from([None, "fp32", "bf16"])), errors=draw(errors),
        evidence={"punsafe": draw(st.sampled_from([None, 0.0, 0.5, 0.875]))},
        spared_by=draw(st.sampled_from([None, None, "similarity"])),
    )  # fmt: skip
    return Sample(pair, image, score)


def table_of(some: list[Sample]) -> SampleTable:
    return SampleTable(
        "part-00000-0000",
        to_table([one.pair for one in some], schema_with(PAIR_SCHEMA, PAGE)),
        to_table([one.image for one in some], IMAGE_SCHEMA),
        to_table([one.score for one in some], schema_with(SCORE_SCHEMA, OF_SCORES)),
    )


def sides(some: list[Sample], rules, detectors) -> list[tuple]:
    """(tally, ledger entries, kept samples) of each sample by itself, and of the part."""
    book = make_rule_book(RuleSettings(rules, detectors, SECRET, shards=4))
    one_by_one = [outcome for one in some for outcome in book.apply(one)]
    together = list(judge_part(table_of(some), book))
    result = []
    for outcomes in (one_by_one, together):
        ledger = [(one.shard, one.row) for one in outcomes if isinstance(one, LedgerRow)]
        kept = [one for one in outcomes if isinstance(one, KeptSample)]
        for one in outcomes:
            if isinstance(one, PartRows):
                ledger += [(row.shard, row.row) for row in one.rows]
            elif isinstance(one, KeptSamples):
                kept += one.samples
        tally = tally_of(one for one in outcomes if isinstance(one, (Rejection, Counted, Noted)))
        result.append((tally, Counter(map(repr, ledger)), [repr(one) for one in kept]))
    return result


@pytest.mark.parametrize("name", SETS)
@given(some=st.lists(samples(), max_size=8))
def test_a_part_is_judged_as_its_samples_are(name, some):
    one_by_one, together = sides(some, *SETS[name])
    assert together == one_by_one


@given(some=st.lists(samples(), max_size=5))
def test_columns_of_a_table_are_those_of_its_samples(some):
    table = table_of(some)
    assert [repr(one) for one in table.samples()] == [repr(one) for one in some]
    assert table.errors == [one.errors for one in some]
    for row, one in enumerate(some):
        found = SampleRow(table, row)
        assert list(found) == list(one.columns()) or set(found) == set(one.columns())
        assert repr(dict(found)) == repr({name: one.columns()[name] for name in found})
        assert "url" in found
        assert found.get("nowhere") is None


def kept_sample() -> Sample:
    pair = Pair(key_of("u", "abc"), "u", "abc", "en", "en", "p", "f", 7, "D", "T", 0,
                {"page_rights_signals": (), "licence": None})  # fmt: skip
    image = Image(pair.key, "ok", 200, "u", "T", "image/jpeg", 9000, "ab", "cd", evidence={})
    score = Score(pair.key, "ok", 640, 480, "JPEG", 0.5, "m", evidence={"punsafe": None})
    return Sample(pair, image, score)


def outcomes_of(some, rules, detectors):
    book = make_rule_book(RuleSettings(rules, detectors, SECRET, shards=4))
    return list(judge_part(table_of(some), book))


def test_a_detector_that_failed_is_not_taken_for_a_missing_column():
    one = kept_sample()
    one = replace(one, pair=replace(one.pair, caption="who?"))
    found = outcomes_of([one], (Optional(),), (Letters(),))
    assert Rejection("sample", "error:KeyError", "quarantined") in found
    book = make_rule_book(RuleSettings((), (Letters(),), SECRET, shards=4))
    evidence = Evidence({"caption": "who?"}, lambda: one.pair, book)
    assert evidence.get("nowhere", 5) == 5
    assert "letters" in evidence
    with pytest.raises(KeyError, match="letters"):
        evidence.get("letters", 5)


def test_what_no_rule_reads_is_observed_before_it_is_published():
    one = kept_sample()
    one = replace(one, pair=replace(one.pair, caption="who?"))
    found = outcomes_of([one], (), (Letters(),))
    assert Rejection("sample", "error:KeyError", "quarantined") in found
    (kept,) = [k for k in outcomes_of([kept_sample()], (), (Letters(),)) if type(k) is KeptSamples]
    assert kept.samples[0].evidence["letters"] == 3


@dataclass(frozen=True)
class Counting(Letters):
    seen: ClassVar[list[str]] = []

    def load(self):
        def observe(pair: Pair):
            self.seen.append(pair.caption)
            return {"letters": 1}

        return observe


def test_detectors_look_at_no_sample_without_a_picture():
    Counting.seen.clear()
    without = replace(kept_sample(), image=Image(kept_sample().pair.key, "timeout", evidence={}))
    outcomes_of([without, kept_sample(), without], (*RULES[:5], Fragile()), (Counting(),))
    assert Counting.seen == ["abc"]


def test_rows_that_no_rule_speaks_of_are_not_asked_about(monkeypatch):
    asked = []
    monkeypatch.setattr(
        Similarity, "judge", lambda self, evidence: asked.append(evidence["similarity"]) or ()
    )
    low = replace(kept_sample(), score=replace(kept_sample().score, similarity=0.25))
    outcomes_of([kept_sample(), low, kept_sample()], RULES[:5], ())
    assert asked == [0.25]


def test_embeddings_come_through_as_arrays():
    one = kept_sample()
    vector = np.array([0.6, 0.8], np.float16)
    one = replace(one, score=replace(one.score, embedding=vector))
    (kept,) = [k for k in outcomes_of([one], (), ()) if isinstance(k, KeptSamples)]
    found = kept.samples[0].sample.score.embedding
    assert found.dtype == np.float16
    assert found.tolist() == vector.tolist()
