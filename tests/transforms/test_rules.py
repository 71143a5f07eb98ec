"""Kept, dropped, quarantined: always exactly one of them, and never with a word too many in the
ledger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.privacy.detector import PersonalDataInPair
from filters.privacy.rule import PersonalData
from filters.rights.rights import Rights
from filters.rule import Action, Decision, Readable
from filters.similarity import Similarity
from pairsieve.records.ledger import LEDGER_SCHEMA, keyed
from pairsieve.records.outcome import Counted, Rejection, balance, tally_of
from pairsieve.records.pair import Pair, key_of
from pairsieve.records.row import SHUFFLED_SCHEMA
from pairsieve.records.sample import Image, Sample, Score
from transforms.redact import RedactSettings, redact_sample
from transforms.rules import KeptSample, LedgerRow, RuleSettings, make_rule_book, shard_of

SECRET = b"s" * 32
NAMES = SHUFFLED_SCHEMA.names


@dataclass(frozen=True)
class Broken:
    name: ClassVar[str] = "broken"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ()
    actions: ClassVar[tuple[Action, ...]] = (Action.DROP,)
    saves_request: ClassVar[bool] = False

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        raise LookupError(evidence["caption"])


@dataclass(frozen=True)
class Tag(Broken):
    def judge(self, evidence: Readable) -> Iterable[Decision]:
        yield Decision(Action.TAG, "seen")


class PublicTag(Tag):
    says_nothing_of_people: ClassVar[bool] = True


RULES = (Rights("respect"), Similarity({"en": 0.3}), PersonalData(captions="redact", urls="drop"))


def sample(
    caption="a red star", signals=(), similarity=0.5, image="ok", score="ok", **changes
) -> Sample:
    url = "https://a.example/p.jpg"
    pair = Pair(
        key_of(url, caption),
        url,
        caption,
        "en",
        "en",
        "https://a.example/",
        "/private/f.warc.gz",
        7,
        "sha1:D",
        "T",
        0,
        {"page_rights_signals": signals, "licence": None},
    )
    got = Image(pair.key, image, 200, url, "T", "image/jpeg", 9000, "ab", "cd")
    scored = Score(pair.key, score, 640, 480, "JPEG", similarity, "m@w", evidence={})
    return replace(Sample(pair, got, scored), **changes)


def judge(one: Sample, rules=RULES, sensitive="private"):
    settings = RuleSettings(rules, (PersonalDataInPair(),), SECRET, shards=4)
    found = list(make_rule_book(settings).apply(one))
    tally = tally_of(f for f in found if isinstance(f, (Rejection, Counted)))
    assert balance(tally, "sample").adds_up
    assert balance(tally, "sample").entered == 1
    kept = [f for f in found if isinstance(f, KeptSample)]
    settings = RedactSettings(shards=4, sensitive=sensitive)
    published = [row for one in kept for row in redact_sample(one, settings)]
    rows = [dict(zip(NAMES, row.row, strict=True)) for row in published]
    entries = [f.row for f in found if isinstance(f, LedgerRow)]
    ledger = [dict(zip(LEDGER_SCHEMA.names, entry, strict=True)) for entry in entries]
    rejections = [(f.outcome, f.reason) for f in found if isinstance(f, Rejection)]
    return rows, ledger, rejections


def test_what_costly_detectors_were_spared_is_published_never():
    """A rule that was to drop it does not: nobody looked, so it goes to quarantine."""
    spared = sample()
    spared = replace(spared, score=replace(spared.score, spared_by="digest"))
    rows, _, rejections = judge(spared)
    assert (rows, rejections) == ([], [("quarantined", "error:NotLookedAt")])
    dropped = sample(similarity=0.1)
    dropped = replace(dropped, score=replace(dropped.score, spared_by="similarity"))
    assert judge(dropped)[2] == [("dropped", "similarity_low")]


def test_kept():
    (row,), ledger, rejections = judge(sample())
    assert rejections == []
    assert ledger == []
    assert row["URL"] == "https://a.example/p.jpg"
    assert (row["WIDTH"], row["HEIGHT"]) == (640, 480)
    assert row["LICENSE"] == "?"
    assert row["warc_file"] == "f.warc.gz", "no folder of this machine is published"
    assert bytes.fromhex(row["key"]) == sample().pair.key


@pytest.mark.parametrize(
    ("one", "reason", "stage"),
    [
        (sample(signals=("noai",)), "rights_noai", "fetch"),
        (
            sample(signals=("noai",), image="not_requested", score="no_image"),
            "rights_noai",
            "fetch",
        ),
        (sample(image="timeout", score="no_image"), "fetch_timeout", "fetch"),
        (sample(score="undecodable"), "score_undecodable", "score"),
        (sample(similarity=0.1), "similarity_low", "publish"),
    ],
)
def test_dropped(one, reason, stage):
    rows, ledger, rejections = judge(one)
    assert rows == []
    assert rejections == [("dropped", reason)]
    assert [(e["stage"], e["reason"], e["action"]) for e in ledger] == [(stage, reason, "drop")]


def test_every_decision_is_in_the_ledger_but_one_reason_counts():
    _, ledger, rejections = judge(sample("mail me@example.org", similarity=0.12345))
    assert rejections == [("dropped", "similarity_low")]
    assert [(e["reason"], e["score"]) for e in ledger] == [
        ("similarity_low", 0.123),
        ("personal_data_email", None),
    ]


def test_redacted():
    (row,), ledger, _ = judge(sample("mail me@example.org, +49 30 901820"))
    assert row["TEXT"] == "mail [EMAIL], [PHONE]"
    assert row["tags"] == ["personal_data_email", "personal_data_phone"]
    assert {e["action"] for e in ledger} == {"redact"}


def test_a_redacted_rows_key_does_not_confirm_a_guess():
    caption = "mail me@example.org"
    (row,), _, _ = judge(sample(caption))
    url = row["URL"]
    assert row["key"] != key_of(url, caption).hex()
    assert row["key"] == keyed(SECRET, key_of(url, caption)).hex()


def test_the_ledger_does_not_say_which_row_a_decision_is_about():
    """The ledger is published; its ids lead to rows with the secret alone."""
    (row,), ledger, _ = judge(sample("mail me@example.org"))
    ids = {entry["id"] for entry in ledger}
    assert ids == {keyed(SECRET, bytes.fromhex(row["key"])).hex()}
    assert row["key"] not in ids


KEYS = st.binary(min_size=16, max_size=16)


@given(KEYS, KEYS, st.integers(1, 100_000))
def test_each_shard_has_a_range_of_keys(key, other, shards):
    least, most = (shard_of(each, shards) for each in sorted((key, other)))
    assert 0 <= least <= most < shards


def test_all_shards_are_about_as_large():
    keys = [key_of(f"https://a.example/{number}.jpg", "a star") for number in range(4000)]
    sizes = Counter(shard_of(key, 8) for key in keys)
    assert all(400 < sizes[shard] < 600 for shard in range(8))


@pytest.mark.parametrize(
    ("one", "rules", "reason"),
    [
        (sample(), (*RULES, Broken()), "error:LookupError"),
        (
            replace(sample(), image=Image(sample().pair.key, "error", errors=("TypeError",))),
            RULES,
            "error:TypeError",
        ),
        (
            replace(sample(), score=replace(sample().score, errors=("ZeroDivisionError",))),
            RULES,
            "error:ZeroDivisionError",
        ),
        (sample(similarity=None), RULES, "error:TypeError"),
        (sample(signals=7), RULES, "error:TypeError"),
    ],
)
def test_what_cannot_be_judged_is_quarantined(one, rules, reason, caplog):
    rows, ledger, rejections = judge(one, rules)
    assert rows == []
    assert rejections == [("quarantined", reason)]
    assert [(e["action"], e["reason"]) for e in ledger] == [("quarantine", reason)]
    assert "red star" not in caplog.text


def test_tags():
    (row,), ledger, _ = judge(sample(), (*RULES, Tag()))
    assert (row["tags"], row["private_tags"]) == ([], ["seen"])
    assert [e["action"] for e in ledger] == ["tag"]


def test_tags_that_are_published():
    (row,), _, _ = judge(sample(), (*RULES, PublicTag()))
    assert (row["tags"], row["private_tags"]) == (["seen"], [])
    (row,), _, _ = judge(sample(), (*RULES, Tag()), sensitive="published")
    assert (row["tags"], row["private_tags"]) == (["seen"], [])


def test_the_ledger_holds_no_words():
    _, ledger, _ = judge(sample("mail me@example.org", signals=("noai",)))
    assert ledger
    assert not any(word in str(ledger) for word in ("example", "mail", sample().pair.key.hex()))
