"""What answers say of links, and what the rule makes of a series of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.recheck.links import AskedLink, Link, merged
from pairsieve.recheck.outcome import (
    COUNTED_AGAIN_AFTER,
    Served,
    known_picture_of,
    look_at,
    next_link,
    outcome_of_status,
)
from pairsieve.recheck.rule import PublishedRow, RecheckRule
from pairsieve.web.answer import Answer
from pairsieve.web.reservations import RESERVATIONS
from pairsieve.web.urls import url_id

URL = "https://a.example/1.png"
SHA, OTHER = "a" * 64, "b" * 64
ASKED = AskedLink(URL, (SHA,), 100, "2024-06-01T00:00:00Z", "", "", 1, False, None)
START = datetime.fromisoformat("2026-11-01T06:00:00+00:00")
ROW = PublishedRow(SHA, "2024-06-01T00:00:00Z")


def at(hours: float) -> str:
    return (START + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(
    ("status", "http_status", "outcome"),
    [
        ("http_error", 404, "gone"),
        ("http_error", 410, "gone"),
        ("http_error", 401, "gone"),
        ("http_error", 403, "gone"),
        ("http_error", 451, "gone"),
        ("http_error", 408, "unreachable"),
        ("http_error", 425, "unreachable"),
        ("http_error", 429, "unreachable"),
        ("http_error", 500, "unreachable"),
        ("http_error", 304, "unreachable"),
        ("http_error", None, "unreachable"),
        ("empty", 200, "gone"),
        ("too_many_redirects", None, "gone"),
        ("timeout", None, "unreachable"),
        ("connection_error", None, "unreachable"),
        ("tls_error", None, "unreachable"),
        ("host_busy", 429, "unreachable"),
        ("host_left_alone", None, "unreachable"),
        ("robots_unreachable", 503, "unreachable"),
        ("reservation_unreachable", 503, "unreachable"),
        ("too_large", 200, "changed"),
        ("refused_by_response", 200, "reserved"),
        ("crawl_delay_too_long", None, "not_asked"),
        ("private_address", None, "not_asked"),
        ("port_not_allowed", None, "not_asked"),
        ("time_over", None, "not_asked"),
        ("error", 200, "not_asked"),
        ("what nobody thought of", None, "not_asked"),
    ],
)
def test_statuses_of_the_client(status, http_status, outcome):
    assert outcome_of_status(status, http_status) == outcome


@pytest.mark.parametrize("row", RESERVATIONS, ids=lambda row: row.name)
def test_every_signal_of_consent_is_a_reservation_where_it_means_no(row):
    expected = "reserved" if row.means == "no" else "not_asked"
    assert outcome_of_status(row.name, None) == expected


def served(sha256: str, **changes: object) -> Served:
    return replace(Served(sha256, 100, ""), **changes)


@pytest.mark.parametrize(
    ("link", "answer", "body", "outcome"),
    [
        (ASKED, Answer(URL, "ok", 200), served(SHA), "same"),
        (ASKED, Answer(URL, "ok", 200), served(OTHER), "changed"),
        (ASKED, Answer(URL, "ok", 200), served(OTHER, is_page=True), "gone"),
        (ASKED, Answer(URL, "ok", 200), served(OTHER, refuses=True), "reserved"),
        (ASKED, Answer(URL, "unchanged", 304), None, "same"),
        # A dataset of others without hashes: the first recheck has nothing to compare with.
        (replace(ASKED, hashes=()), Answer(URL, "ok", 200), served(OTHER), "same"),
        (
            replace(ASKED, hashes=(), before=Link(b"", sha256=SHA)),
            Answer(URL, "ok", 200),
            served(OTHER),
            "changed",
        ),
        # The server says that nothing has changed since it had changed.
        (
            replace(ASKED, before=Link(b"", changed_since=at(0))),
            Answer(URL, "unchanged", 304),
            None,
            "changed",
        ),
        (
            replace(ASKED, before=Link(b"", reserved_since=at(0), reason="refused_by_picture")),
            Answer(URL, "unchanged", 304),
            None,
            "reserved",
        ),
        (
            replace(ASKED, before=Link(b"", reserved_since=at(0), reason="robots_disallowed")),
            Answer(URL, "unchanged", 304),
            None,
            "same",
        ),
    ],
)
def test_what_an_answer_says(link, answer, body, outcome):
    assert look_at(link, answer, body).outcome == outcome


@pytest.mark.parametrize(
    ("link", "whole"),
    [
        (ASKED, False),
        (replace(ASKED, whole=True), True),
        (replace(ASKED, hashes=()), True),
        (replace(ASKED, hashes=(SHA, OTHER)), True),
        (replace(ASKED, before=Link(b"", seen_at=at(0), sha256=SHA)), False),
        (replace(ASKED, before=Link(b"", seen_at=at(0))), True),
    ],
)
def test_the_whole_picture_is_needed_where_it_is_not_known_which_one_it_is(link, whole):
    assert known_picture_of(link).whole is whole


ANSWERS = {
    "same": (Answer(URL, "ok", 200, URL), served(SHA)),
    "changed": (Answer(URL, "ok", 200, URL), served(OTHER)),
    "gone": (Answer(URL, "http_error", 404), None),
    "reserved": (Answer(URL, "robots_disallowed"), None),
    "unreachable": (Answer(URL, "timeout"), None),
}


def after(outcomes: list[tuple[str, float]]) -> Link:
    """The link after a series of outcomes, each at its hours."""
    link = ASKED
    for number, (outcome, hours) in enumerate(outcomes, start=1):
        answer, body = ANSWERS[outcome]
        look = look_at(link, answer, body)
        assert look.outcome == outcome
        link = replace(link, before=next_link(link, answer, look, number, at(hours)))
    assert link.before is not None
    return link.before


@pytest.mark.parametrize(
    ("outcomes", "reason"),
    [
        ([("same", 0)], None),
        ([("changed", 0)], "changed"),
        ([("changed", 0), ("same", 24)], None),
        ([("reserved", 0)], "reserved"),
        ([("reserved", 0), ("same", 24)], None),
        ([("reserved", 0), ("unreachable", 24)], "reserved"),
        ([("gone", 0)], None),
        ([("gone", 0), ("gone", 1)], None),
        ([("gone", 0), ("gone", 24)], "gone"),
        ([("gone", 0), ("same", 24), ("gone", 48)], None),
        ([("gone", 0), ("unreachable", 24), ("gone", 48)], "gone"),
        ([("unreachable", 24 * day) for day in range(30)], None),
        ([("changed", 0), ("gone", 24)], "changed"),
    ],
)
def test_the_rule_on_a_series(outcomes, reason):
    assert RecheckRule().judge(after(outcomes), ROW) == reason


def test_unreachable_in_a_row():
    rule = RecheckRule(unreachable_after=3)
    days = [("unreachable", 24.0 * day) for day in range(3)]
    assert rule.judge(after(days[:2]), ROW) is None
    assert rule.judge(after(days), ROW) == "unreachable"
    assert rule.judge(after([days[0], ("same", 12), *days[1:]]), ROW) is None


@pytest.mark.parametrize(
    ("distance", "keep_alike", "reason"),
    [(0, True, None), (31, True, None), (32, True, "changed"), (None, True, "changed"),
     (0, False, "changed")],
)  # fmt: skip
def test_pictures_that_look_alike(distance, keep_alike, reason):
    link = Link(b"", asked_at=at(0), changed_since=at(0), sha256=OTHER, pdq_distance=distance)
    assert RecheckRule(keep_alike=keep_alike).judge(link, ROW) == reason


def test_a_row_that_a_later_run_has_fetched_is_judged_by_what_comes_after():
    fetched_later = PublishedRow(OTHER, at(1))
    link = after([("reserved", 0)])
    assert RecheckRule().judge(link, ROW) == "reserved"
    assert RecheckRule().judge(link, fetched_later) is None


def test_rows_of_one_url_with_different_pictures():
    link = Link(b"", asked_at=at(0), sha256=SHA, row_hashes=2)
    rule = RecheckRule()
    assert rule.may_take_out(link)
    assert rule.judge(link, ROW) is None
    assert rule.judge(link, PublishedRow(OTHER, ROW.fetched_at)) == "changed"


SERIES = st.lists(
    st.tuples(st.sampled_from(sorted(ANSWERS)), st.integers(0, 72)), min_size=1, max_size=12
)


@given(SERIES)
def test_gone_needs_two_answers_of_different_days_and_no_picture_between(steps):
    hours, outcomes = 0, []
    for outcome, pause in steps:
        hours += pause
        outcomes.append((outcome, float(hours)))
    link = after(outcomes)
    reason = RecheckRule().judge(link, ROW)
    # Whatever served a picture, or a no, last.
    since = max((n for n, (outcome, _) in enumerate(outcomes) if outcome == "same"), default=-1)
    gone_at = [time for outcome, time in outcomes[since + 1 :] if outcome == "gone"]
    apart = bool(gone_at) and gone_at[-1] - gone_at[0] >= COUNTED_AGAIN_AFTER.total_seconds() / 3600
    if reason == "gone":
        assert apart
    if reason is None:
        assert not apart
    # What the rule takes out, it also says that it may.
    assert reason is None or RecheckRule().may_take_out(link)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), max_size=20))
def test_merging_twice_changes_nothing_and_the_latest_round_counts(seen):
    links = [Link(url_id(str(name)), round=number) for name, number in seen]
    once = merged({}, links)
    assert merged(once, links) == once
    for link in links:
        assert once[link.link_id].round == max(
            other.round for other in links if other.link_id == link.link_id
        )
